"""The build image: the official one where it can be had, else one bootstrapped from Debian under a name of our own."""

import queue
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound
from filelock import FileLock

from tools import debian
from tools.container_engine import connect
from tools.places import log_file, tool_folder
from tools.process import CommandFailedError, as_root, run, tied_to_us
from tools.progress import PartUnavailableError, say, step

OFFICIAL = "public.ecr.aws/sam/build-python{python}:latest-{architecture}"
# Never the official name: on a person's machine a look-alike would be used for real layers.
OURS = "python-layer-build:{python}"

_SUITES = {"3.9": "bullseye", "3.11": "bookworm", "3.13": "trixie"}
_PACKAGES = "python3,python3-pip,python3-venv,python3-dev,gcc,g++,make,ca-certificates"
_LEFT_OUT = ("./var/cache/apt/archives/*.deb", "./var/lib/apt/lists/*", "./dev/*")
_ADVICE = f"Pull or mirror {OFFICIAL} and set PYTHON_LAYER_IMAGE to where it is."
_ROOT_NEEDED = f"Making a build image takes root's rights. {_ADVICE}"
# A registry that is there answers in one; a firewall that swallows packets never does.
_FIRST_ANSWER_SECONDS = 8
_NEXT_ANSWER_SECONDS = 120
_IMPORT_SECONDS = 600

_unreachable: set[str] = set()


def build_images(pythons: Sequence[str], host: str | None, *, architecture: str = "x86_64") -> str | None:
    """Have a build image for each Python in the engine at `host`.

    Returns the template to set as PYTHON_LAYER_IMAGE, None where the official images are there.
    """
    client = connect(host, timeout=_IMPORT_SECONDS)
    official = {python: OFFICIAL.format(python=python, architecture=architecture) for python in pythons}
    try:
        if all(_is_local(client, name) for name in official.values()):
            return None
        missing = [python for python in pythons if not _is_local(client, OURS.format(python=python))]
        # Ours that are there are taken before a registry is asked: a second run is quick without any network.
        if missing and all(_pulled(client, name) for name in official.values()):
            return None
        for python in missing:
            _make(client, python, official[python])
        return OURS
    finally:
        client.close()


def _is_local(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _pulled(client: docker.DockerClient, name: str) -> bool:
    registry = name.partition("/")[0]
    if _is_local(client, name):
        return True
    if registry in _unreachable:
        return False
    try:
        with step(f"Pulling {name}"):
            _pull(client, name)
    except (DockerException, OSError, TimeoutError):
        say(f"{name} cannot be pulled here.")
        _unreachable.add(registry)
        return False
    return True


def _pull(client: docker.DockerClient, name: str) -> None:
    """Pull an image as long as the registry shows signs of life."""
    answers: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()
    threading.Thread(target=_follow_pull, args=(client, name, answers), daemon=True).start()
    patience = _FIRST_ANSWER_SECONDS
    while (answer := _next(answers, patience)) is not None:
        patience = _NEXT_ANSWER_SECONDS
        if isinstance(answer, Exception):
            raise answer
        if "error" in answer:
            raise DockerException(answer["error"])


def _next(answers: "queue.Queue[dict[str, Any] | Exception | None]", patience: int) -> Any:
    try:
        return answers.get(timeout=patience)
    except queue.Empty:
        raise TimeoutError from None


def _follow_pull(client: docker.DockerClient, name: str, answers: "queue.Queue[Any]") -> None:
    try:
        for answer in client.api.pull(name, stream=True, decode=True):
            answers.put(answer)
        answers.put(None)
    except Exception as error:  # noqa: BLE001 - told to the thread that waits
        answers.put(error)


def _make(client: docker.DockerClient, python: str, official: str) -> None:
    name = OURS.format(python=python)
    with FileLock(tool_folder("locks") / f"image-{python}.lock"):
        if _is_local(client, name):
            return
        if _is_local(client, official):
            client.images.get(official).tag(name)
        else:
            _bootstrap(client, python)


def _bootstrap(client: docker.DockerClient, python: str) -> None:
    if python not in _SUITES:
        able = ", ".join(_SUITES)
        raise PartUnavailableError(f"No Debian release ships Python {python} (there are {able}). {_ADVICE}")
    debian.need("debootstrap", ("debootstrap",), title="debootstrap", otherwise=_ADVICE)
    with _scratch(f"rootfs-{python}-") as root:
        _debootstrap(_SUITES[python], root)
        _import(client, root, python)


@contextmanager
def _scratch(prefix: str) -> Iterator[Path]:
    # What a killed run left goes first: we hold the lock, so nobody else is using it.
    _remove(*tool_folder().glob(f"{prefix}*"))
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=tool_folder()))
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(*folders: Path) -> None:
    # One file system only, so that a mount that is there against all odds is not emptied.
    _as_root(["rm", "-rf", "--one-file-system", *map(str, folders)])


def _debootstrap(suite: str, root: Path) -> None:
    bootstrap = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", suite, str(root), *_mirror()]
    # Its own namespaces: its mounts and processes end with it, and it ends with us, however we end.
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    try:
        with step(f"Making a build image from Debian {suite}'s packages"):
            _as_root(tied_to_us([*apart, *bootstrap]))
    except CommandFailedError as error:
        raise PartUnavailableError(f"debootstrap failed: {error}\n{_ADVICE}") from error


def _as_root(argv: list[str]) -> None:
    # Nothing in it needs a soft end: its folder is thrown away.
    run(as_root(argv, refusal=_ROOT_NEEDED), log=log_file("build-image"), patience=0)


def _mirror() -> list[str]:
    """Return the mirror that this machine's apt uses for Debian itself, nothing where debootstrap has to choose."""
    listing = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages"]
    try:
        said = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    known = {f"{suite} main" for suite in _SUITES.values()}
    lines = [line.split(" ", 1) for line in said.splitlines()]
    return [line[0] for line in lines if line[1:] and line[1] in known][:1]


def _import(client: docker.DockerClient, root: Path, python: str) -> None:
    name, _, tag = OURS.format(python=python).partition(":")
    left_out = [f"--exclude={path}" for path in _LEFT_OUT]
    tar = as_root(["tar", "-C", str(root), *left_out, "-c", "."], refusal=_ROOT_NEEDED)
    with step(f"Importing {name}:{tag}"), subprocess.Popen(tar, stdout=subprocess.PIPE) as packer:
        client.api.import_image(src=packer.stdout, repository=name, tag=tag, changes=['CMD ["bash"]'])
    if packer.returncode != 0 or not _is_local(client, f"{name}:{tag}"):
        raise PartUnavailableError(f"The build image {name}:{tag} could not be imported. {_ADVICE}")
