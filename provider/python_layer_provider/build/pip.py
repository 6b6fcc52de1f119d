"""pip in the container: what it is told, and what its failures mean.

pip resolves, downloads, checks hashes and builds sdists; `wheels` then does what little there is left of an install.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit, urlunsplit

from python_layer_provider import pip_input
from python_layer_provider.build import pip_at_indexes
from python_layer_provider.build.container import EPOCH, Container, timed_out
from python_layer_provider.errors import (
    HashMismatchError,
    ImageMismatchError,
    InstallError,
    PipFailedError,
    SdistBuildError,
    VersionNotFoundError,
)
from python_layer_provider.local import files
from python_layer_provider.lockfile import Pin
from python_layer_provider.lockfile.paths import is_file
from python_layer_provider.plan import LayerPlan, url_secrets
from python_layer_provider.progress import Progress
from python_layer_provider.target import Target

WHEELS = "/layer-wheels"
"""Where the wheels are in the container."""

_IN = "/layer-in"
_PROJECT = {"pyproject.toml", "setup.py"}
# Not a name that Python could import: `_IN` is where it looks for modules.
_LOCAL = f"{_IN}/path-dependencies"
_LOCKED = "locked.txt"
_OTHERS = "requirements.txt"
_CONSTRAINTS = "constraints.txt"
_AT_INDEXES = "pip_at_indexes.py"
_CA = "ca.pem"
# Where pip has a requirement from, which is no file of the person's.
_OUR_FILES = re.compile(rf" \(from -r {_IN}/\S+ \(line \d+\)\)")
# The last lines of pip that an error quotes, and how many are kept to find the cause in.
_QUOTED = 15
_KEPT = 400
_NOT_FOUND = 127
# Where a host says what its certificate authority is, first come first served.
_CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


def wheels(plan: LayerPlan, container: Container, progress: Progress) -> None:
    """Have a wheel of each distribution in `WHEELS`.

    Pins with hashes are taken with `--require-hashes --no-deps`. The others come after them,
    without dependencies where the plan is complete: a pin without a hash switches off nobody else's.

    Raises:
        HashMismatchError: A file is not the one that the lock file names.
        VersionNotFoundError: The index has nothing that fits.
        SdistBuildError: A source distribution does not build.
        BuildTimeoutError: The container's lifetime is over.
        ImageMismatchError: The image lacks the target's Python.
        PipFailedError: Anything else, with pip's last lines.
    """
    host_ca = _host_ca(os.environ)
    container.put(_IN, {**_files(plan), **({_CA: host_ca} if host_ca else {})})
    for pin in plan.pins:
        if pin.path:
            _put_local(pin, Path(plan.base or ""), container)
    environment = {**_environment(plan, host_ca=bool(host_ca)), **_proxies(os.environ)}
    for arguments in _runs(plan):
        _pip_wheel(plan, container, arguments, environment, progress)


def _put_local(pin: Pin, base: Path, container: Container) -> None:
    found = files(pin, base)
    executable = {path for path, file in found.items() if file.executable}
    contents = {path: file.content for path, file in found.items()}
    container.put(f"{_LOCAL}/{pin.name}", {**_released(pin, contents), **contents}, executable)


def _released(pin: Pin, contents: Mapping[str, bytes]) -> dict[str, bytes]:
    """What tells a version that is else in git's tags, as it does in a source distribution: there is no git here."""
    if not pin.version or not contents.keys() & _PROJECT:
        return {}
    return {"PKG-INFO": f"Metadata-Version: 2.1\nName: {pin.name}\nVersion: {pin.version}\n".encode()}


def _runs(plan: LayerPlan) -> Iterator[list[str]]:
    """The arguments of each `pip wheel` that the plan needs."""
    files = {"locked": _LOCKED, "others": _OTHERS, "constraints": _CONSTRAINTS}
    return pip_input.runs(plan, **{role: f"{_IN}/{name}" for role, name in files.items()})


def _pip_wheel(
    plan: LayerPlan, container: Container, arguments: Sequence[str], environment: Mapping[str, str], progress: Progress
) -> None:
    python = f"python{plan.target.python}"
    pip = [f"{_IN}/{_AT_INDEXES}"] if plan.indexes else ["-m", "pip"]
    command = [python, *pip, "wheel", "--wheel-dir", WHEELS, *arguments]
    output: deque[str] = deque(maxlen=_KEPT)
    masked = _masker([*plan.secrets, *_proxy_secrets(os.environ)])

    def on_line(line: str) -> None:
        line = _OUR_FILES.sub("", masked(line))
        output.append(line)
        if line.strip():
            progress.step(f"pip: {line.strip()}")

    # The container's umask would decide who may read the files.
    code = container.run(["sh", "-c", 'umask 022 && exec "$@"', "sh", *command], environment, on_line)
    progress.check()
    if code is None:
        raise timed_out(_tail(output))
    if code == _NOT_FOUND:
        raise ImageMismatchError(
            f"The build image has no `{python}`",
            detail=_tail(output),
            hint=f"name an image for {plan.target.runtime}",
        )
    if code:
        raise _failure(list(output), plan.target)


def _files(plan: LayerPlan) -> dict[str, bytes]:
    locked = [_line(plan, pin) for pin in plan.pins if pin.hashes]
    others = [_line(plan, pin) for pin in plan.pins if not pin.hashes]
    constraints = [_line(plan, pin) for pin in plan.constraints]
    texts = {_LOCKED: locked, _OTHERS: others, _CONSTRAINTS: constraints, "_manylinux.py": [_manylinux(plan.target)]}
    written = {name: "".join(f"{line}\n" for line in lines).encode() for name, lines in texts.items()}
    return {**written, _AT_INDEXES: Path(pip_at_indexes.__file__).read_bytes()} if plan.indexes else written


def _line(plan: LayerPlan, pin: Pin) -> str:
    requirement = pin.requirement
    if pin.url:
        requirement = requirement.replace(pin.url, _with_variables(plan, pin.url))
    if pin.path:
        requirement = requirement.replace(f" @ {pin.path}", f" @ {_local_url(pin, pin.path)}")
    return pip_input.line(pin, requirement)


def _local_url(pin: Pin, path: str) -> str:
    """Where pip finds in the container what is at a path on this machine."""
    folder = f"file://{_LOCAL}/{pin.name}"
    return f"{folder}/{quote(PurePosixPath(path).name)}" if is_file(path) else folder


def _with_variables(plan: LayerPlan, url: str) -> str:
    """The URL with variables for its secrets, which pip fills in: the file is not where they belong."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    netloc = f"{_reference(plan, userinfo)}{at}{host}"
    return urlunsplit(parts._replace(netloc=netloc, query=_reference(plan, parts.query)))


def _reference(plan: LayerPlan, text: str) -> str:
    return f"${{{_variable(plan, text)}}}" if text in plan.secrets else text


def _variable(plan: LayerPlan, secret: str) -> str:
    return f"PYTHON_LAYER_SECRET_{plan.secrets.index(secret)}"


def _manylinux(target: Target) -> str:
    """PEP 600's word to installers on which wheels run here: those for the runtime's glibc, not the image's."""
    return (
        "def manylinux_compatible(major, minor, architecture):\n"
        f"    return (major, minor) <= {target.glibc} and architecture == {target.machine!r}"
    )


def _environment(plan: LayerPlan, *, host_ca: bool) -> dict[str, str]:
    index = plan.index
    ca = f"{_IN}/{_CA}" if host_ca else None
    settings = {
        "PIP_CACHE_DIR": Container.CACHE,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_COLOR": "1",
        "PIP_NO_INPUT": "1",
        "PIP_PROGRESS_BAR": "off",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_INDEX_URL": index.index_url,
        "PIP_EXTRA_INDEX_URL": " ".join(index.extra_index_urls),
        pip_at_indexes.VARIABLE: " ".join(_indexes(plan)),
        "PIP_FIND_LINKS": " ".join(index.find_links),
        "PIP_TRUSTED_HOST": " ".join(index.trusted_hosts),
        "PIP_NO_INDEX": "1" if index.no_index else None,
        "PIP_NO_BINARY": ",".join(index.no_binary),
        "PIP_ONLY_BINARY": ",".join(index.only_binary),
        "PIP_PRE": "1" if index.pre else None,
        "PIP_PREFER_BINARY": "1" if index.prefer_binary else None,
        "PIP_CERT": ca,
        "REQUESTS_CA_BUNDLE": ca,
        "SSL_CERT_FILE": ca,
        "HOME": "/tmp",  # noqa: S108 (the container's own)
        "PYTHONPATH": _IN,
        # Without times and debug information, which holds the path of a random folder, compiled sdists are
        # byte-identical from build to build.
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "CFLAGS": "-g0",
        "CXXFLAGS": "-g0",
        "PYTHONHASHSEED": "0",
    }
    secrets = {_variable(plan, secret): secret for secret in plan.secrets}
    return {**{key: value for key, value in settings.items() if value}, **secrets}


def _indexes(plan: LayerPlan) -> Iterator[str]:
    """The indexes that the lock file names, and the default one where it names none for a pin."""
    yield from plan.indexes
    if plan.indexes and any(not (pin.index or pin.url or pin.path) for pin in plan.pins):
        yield pip_at_indexes.DEFAULT


def _host_ca(environ: Mapping[str, str]) -> bytes | None:
    """The certificate authorities that this machine trusts, where it says so: the container needs them too."""
    for variable in _CA_VARIABLES:
        path = environ.get(variable)
        if path and Path(path).is_file():
            return Path(path).read_bytes()
    return None


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    names = [name for upper in _PROXY_VARIABLES for name in (upper, upper.lower())]
    return {name: environ[name] for name in names if environ.get(name)}


def _proxy_secrets(environ: Mapping[str, str]) -> set[str]:
    return {secret for url in _proxies(environ).values() for secret in url_secrets(url)}


def _masker(secrets: Sequence[str]) -> Callable[[str], str]:
    if not secrets:
        return str
    # The longest first: one may be a part of another.
    pattern = re.compile("|".join(map(re.escape, sorted(secrets, key=len, reverse=True))))
    return lambda line: pattern.sub("****", line)


def _tail(output: Sequence[str]) -> str:
    return "\n".join([line for line in output if line.strip()][-_QUOTED:])


_MISMATCH = re.compile(r"DO NOT MATCH THE HASHES")
_NO_MATCH = re.compile(r"No matching distribution found for (?P<requirement>.+?)(?: \(from.*)?$")
_UNSUPPORTED = re.compile(r"ERROR: (?P<wheel>\S+\.whl) is not a supported wheel on this platform")
_BUILD = re.compile(
    r"Failed building wheel for (?P<name>\S+)|ERROR: Failed to build|subprocess-exited-with-error"
    r"|metadata-generation-failed|Failed to build installable wheels"
)
_NETWORK = re.compile(r"Retrying \(Retry\(|Could not fetch URL|Temporary failure in name resolution")


def _failure(output: Sequence[str], target: Target) -> InstallError:
    """What pip's output says went wrong."""
    text = "\n".join(output)
    if _MISMATCH.search(text):
        return _hash_mismatch(output)
    if found := re.search(_NO_MATCH.pattern, text, re.MULTILINE):
        return _no_match(found["requirement"], output, offline=bool(_NETWORK.search(text)))
    if found := _UNSUPPORTED.search(text):
        return VersionNotFoundError(
            f"The wheel `{found['wheel']}` does not fit {target.runtime} on {target.architecture}",
            hint="name the URL of a wheel for the target, or of the source distribution",
        )
    if _BUILD.search(text):
        return _build_failed(output)
    return PipFailedError("pip failed", detail=_tail(output), hint="the lines above are pip's own")


def _hash_mismatch(output: Sequence[str]) -> HashMismatchError:
    start = next(number for number, line in enumerate(output) if _MISMATCH.search(line))
    shown = [line.strip() for line in output[start + 1 :] if line.strip()]
    name = shown[0].split(" from ")[0] if shown else "a distribution"
    return HashMismatchError(
        f"The index serves another file for `{name}` than the lock file names",
        detail="\n".join(shown[:_QUOTED]),
        hint="if the lock file is right, somebody tampers with the index; if the release changed, lock again",
    )


def _no_match(requirement: str, output: Sequence[str], *, offline: bool) -> InstallError:
    detail = "\n".join(line for line in output if line.startswith("ERROR:") or _NETWORK.search(line))
    if offline:
        return PipFailedError(
            f"pip cannot reach the index for `{requirement}`",
            detail=detail,
            hint="set HTTPS_PROXY, and SSL_CERT_FILE for a company's certificate authority; both reach the container",
        )
    return VersionNotFoundError(
        f"The index has no `{requirement}` that fits the target",
        detail=detail,
        hint="check name and version; a version of which only wheels for other platforms exist counts as missing",
    )


_NO_TAGS = re.compile(r"unable to detect version", re.IGNORECASE)


def _build_failed(output: Sequence[str]) -> SdistBuildError:
    names = {match["name"] for line in output if (match := _BUILD.search(line)) and match["name"]}
    return SdistBuildError(
        f"The source distribution of {', '.join(f'`{name}`' for name in sorted(names)) or 'a pin'} does not build",
        detail=_tail(output),
        hint=_how_to_build(output),
    )


def _how_to_build(output: Sequence[str]) -> str:
    if any(map(_NO_TAGS.search, output)):
        hatch = "with hatch-vcs `fallback-version` below [tool.hatch.version]"
        return f"git's tags do not travel: set `fallback_version` below [tool.setuptools_scm], or {hatch}"
    return "pin a version that has a wheel for the target, or name an image that has what the build needs"
