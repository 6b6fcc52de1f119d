"""The image functions run in: a build image with AWS's runtime interface client, laid out as Lambda lays it out."""

import hashlib
import io
import sys
import tarfile
import tempfile
from pathlib import Path

import docker
from docker.errors import ImageNotFound
from filelock import FileLock

from tools.places import log_file, tool_folder
from tools.process import CommandFailedError, run
from tools.progress import PartUnavailableError, step

OURS = "python-layer-function:{python}"

_RUNTIME = Path(__file__).with_name("function_runtime.py")
_CLIENT = "awslambdaric==4.2.2"
_LABEL = "python-layer-function-from"
# Lambda runs functions as a user without rights, and looks for modules in this order.
_SETTINGS = (
    "USER 993:990",
    "WORKDIR /var/task",
    "ENV LAMBDA_TASK_ROOT=/var/task",
    "ENV PYTHONPATH=/opt/python/lib/python{python}/site-packages:/opt/python:/var/runtime",
    "ENV LD_LIBRARY_PATH=/opt/lib",
    # Debian's Python is the system's, and pip leaves it alone; Lambda's is the function's own.
    "ENV PIP_BREAK_SYSTEM_PACKAGES=1",
    'ENTRYPOINT ["python3", "/var/runtime/function_runtime.py"]',
)


def function_image(client: docker.DockerClient, python: str, build_image: str) -> str:
    """Have an image that runs a function: `HANDLER EVENT...` as its command, code in /var/task, layers in /opt."""
    name = OURS.format(python=python)
    made_from = _made_from(client, build_image)
    with FileLock(tool_folder("locks") / f"function-image-{python}.lock"):
        if _label(client, name) != made_from:
            with step(f"Making {name}, in which functions run"):
                _make(client, python, build_image, made_from)
    return name


def _made_from(client: docker.DockerClient, build_image: str) -> str:
    parts = [_CLIENT, *_SETTINGS, str(client.images.get(build_image).id), _RUNTIME.read_text()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _label(client: docker.DockerClient, name: str) -> str | None:
    try:
        return client.images.get(name).labels.get(_LABEL)
    except ImageNotFound:
        return None


def _make(client: docker.DockerClient, python: str, build_image: str, made_from: str) -> None:
    repository, _, tag = OURS.partition(":")
    changes = [setting.replace("{python}", python) for setting in (*_SETTINGS, f"LABEL {_LABEL}={made_from}")]
    container = client.containers.create(build_image, ["true"])
    try:
        container.put_archive("/var", _runtime(python))
        container.commit(repository, tag.format(python=python), changes=changes)
    finally:
        container.remove()


def _runtime(python: str) -> bytes:
    """Return /var/runtime and an empty /var/task, as a tar archive."""
    stream = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=stream, mode="w") as tar:
        Path(folder).chmod(0o755)
        _install(Path(folder), python)
        tar.add(_RUNTIME, f"runtime/{_RUNTIME.name}", filter=_for_everybody)
        tar.add(folder, "runtime", filter=_for_everybody)
        task = tarfile.TarInfo("task")
        task.type, task.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(task)
    return stream.getvalue()


def _install(folder: Path, python: str) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--target", str(folder), "--python-version", python]
    pip += ["--only-binary", ":all:", "--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64"]
    try:
        run([*pip, _CLIENT], log=log_file("function-image"))
    except CommandFailedError as error:
        raise PartUnavailableError(f"{_CLIENT} could not be installed: {error}") from error


def _for_everybody(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.mode |= 0o444 | (0o111 if member.isdir() else 0)
    return member
