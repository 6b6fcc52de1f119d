"""The one door to the container engine: an image, a container that nobody can forget, files in and out of it."""

from __future__ import annotations

import atexit
import io
import math
import os
import platform
import tarfile
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from python_layer_provider.errors import (
    BuildTimeoutError,
    EngineError,
    EngineFailedError,
    EngineNotRunningError,
    ImageMismatchError,
    ImageNotFoundError,
)
from python_layer_provider.progress import Progress
from python_layer_provider.target import Target

if TYPE_CHECKING:
    from docker import APIClient

OWNER_LABEL = "pulumi-python-layer.owner"
"""Label of every container and volume of ours; its value names the process that made it."""

EPOCH = 315532800
"""1980-01-01, the first day that a zip can tell: what stands for "now" in a build."""

_MEMORY = 4 << 30
_PROCESSES = 1024
# Downloads of layers in a pull and long compilations are silent for minutes; Build.timeout bounds the whole.
_SILENCE = 900
# Seconds after which a process that has no container is no owner any more.
_FORGOTTEN = 24 * 3600
_CONFLICT = 409


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A build image that is in the engine."""

    name: str
    id: str
    digest: str
    """The registry's digest; the engine's own id where the image comes from no registry."""


class Engine:
    """A container engine that answers. Made by `connect`."""

    def __init__(self, client: APIClient) -> None:
        self._client = client

    def image(self, name: str, target: Target, progress: Progress) -> Image:
        """The build image, pulled where it is missing.

        Raises:
            ImageNotFoundError: It is neither here nor can it be pulled.
            ImageMismatchError: It is for another architecture than the target's.
        """
        found = self._inspect(name)
        if found is None:
            self._pull(name, target, progress)
            found = self._inspect(name)
        if found is None:
            raise _not_found(name, "the engine does not know it after the pull")
        if found["Architecture"] != target.engine_architecture:
            raise ImageMismatchError(
                f"The image `{name}` is for {found['Architecture']}, the layer for {target.engine_architecture}",
                hint=f"docker pull --platform linux/{target.engine_architecture} {name}",
            )
        digests = found.get("RepoDigests") or [found["Id"]]
        return Image(name=name, id=found["Id"], digest=digests[0].rpartition("@")[2])

    @contextmanager
    def container(self, image: Image, *, lifetime: float, progress: Progress) -> Iterator[Container]:
        """A running container that is gone afterwards, whatever happens.

        It has no capabilities, no mounts of the host, and limits on memory and processes. Should this
        process be killed, the container ends by itself after `lifetime` seconds, or is
        removed by `reap` before that.
        """
        self.reap()
        with _translated():
            container = Container(self._client, self._create(image, lifetime))
        try:
            with progress.interrupting(container.remove):
                with _translated(image.name):
                    container.ends = time.monotonic() + lifetime
                    self._client.start(container.id)
                yield container
        finally:
            container.gone()

    def reap(self) -> None:
        """Remove the containers whose owner, a process of this machine, is dead."""
        with _translated():
            listed = self._client.containers(all=True, filters={"label": OWNER_LABEL})
        owners = {found["Id"]: found["Labels"][OWNER_LABEL] for found in listed}
        for container_id, owner in owners.items():
            if _dead(owner):
                Container(self._client, container_id).remove()
        _forget_all_but(set(owners.values()))

    def _create(self, image: Image, lifetime: float) -> str:
        client = self._client
        # Wheels that pip builds from sdists stay in its cache; they fit the image they were built in, and no other.
        volume = f"pulumi-python-layer-pip-{image.id.rpartition(':')[2][:12]}"
        client.create_volume(volume, labels={OWNER_LABEL: "cache"})
        host = client.create_host_config(
            auto_remove=True,
            binds={volume: {"bind": Container.CACHE, "mode": "rw"}},
            cap_drop=["ALL"],
            mem_limit=_MEMORY,
            pids_limit=_PROCESSES,
            security_opt=["no-new-privileges"],
        )
        created = client.create_container(
            image.id,
            entrypoint=["sleep"],
            command=[str(max(1, int(lifetime)))],
            host_config=host,
            labels={OWNER_LABEL: _owner()},
            user="0:0",
            working_dir="/",
        )
        return str(created["Id"])

    def _inspect(self, name: str) -> dict[str, Any] | None:
        from docker.errors import ImageNotFound  # noqa: PLC0415 (docker loads when used)

        with _translated():
            try:
                return dict(self._client.inspect_image(name))  # type: ignore[no-untyped-call]
            except ImageNotFound:
                return None

    def _pull(self, name: str, target: Target, progress: Progress) -> None:
        from docker.errors import APIError  # noqa: PLC0415 (docker loads when used)

        progress.step(f"Pulling {name}")
        wanted = f"linux/{target.engine_architecture}"
        with _translated():
            try:
                for event in self._client.pull(name, stream=True, decode=True, platform=wanted):
                    if "error" in event:
                        raise _not_found(name, event["error"])
                    progress.step(_pull_step(name, event))
            except APIError as error:
                raise _not_found(name, str(error.explanation or error)) from error


class Container:
    """A running container. Made by `Engine.container`."""

    CACHE = "/var/cache/pip"
    """Where pip's cache is: a volume that outlives the container."""

    def __init__(self, client: APIClient, container_id: str) -> None:
        self._client = client
        self.id = container_id
        self.ends = math.inf
        self._going: threading.Thread | None = None

    @property
    def over(self) -> bool:
        """Whether the container's time is over, and with it all that ran there."""
        return time.monotonic() >= self.ends

    def put(self, folder: str, files: Mapping[str, bytes], executable: Collection[str] = ()) -> None:
        """Write files below `folder`, which is made where it is missing, with the engine's archive API."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for path in _folders(folder, files):
                tar.addfile(_entry(path, tarfile.DIRTYPE, 0o755))
            for name, content in files.items():
                info = _entry(f"{folder}/{name}", tarfile.REGTYPE, 0o755 if name in executable else 0o644)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        with _translated():
            self._client.put_archive(self.id, "/", stream.getvalue())

    def run(self, command: Sequence[str], environment: Mapping[str, str], on_line: Callable[[str], None]) -> int | None:
        """Run a command, give each line of its output to `on_line`, and return its exit code.

        None means that the container was gone before the command had ended. The environment is that of
        the one process: the engine records it neither in the container nor in an image.
        """
        with _translated():
            execution = self._client.exec_create(self.id, list(command), environment=dict(environment))["Id"]
            rest = b""
            for chunk in self._client.exec_start(execution, stream=True):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    on_line(line.decode(errors="replace").rstrip())
            if rest:
                on_line(rest.decode(errors="replace").rstrip())
            return self._exit_code(execution)

    def tar(self, path: str) -> Iterator[bytes]:
        """A file or folder of the container as the chunks of a tar stream."""
        try:
            with _translated():
                chunks, _ = self._client.get_archive(self.id, path)
                yield from chunks
        except EngineFailedError as error:
            if self.over:
                raise timed_out() from error
            raise

    def remove(self) -> None:
        """Remove the container and all that runs in it; nothing happens where it is gone."""
        from docker.errors import APIError, NotFound  # noqa: PLC0415 (docker loads when used)

        with _translated():
            try:
                self._client.remove_container(self.id, force=True)
            except NotFound:
                pass
            except APIError as error:
                # It removes itself when it ends: somebody was faster.
                if error.status_code != _CONFLICT:
                    raise

    def go(self) -> None:
        """Remove the container while other work goes on; nothing of it is needed any more."""
        self._going = threading.Thread(target=self.remove)
        self._going.start()

    def gone(self) -> None:
        """Wait until the container is removed."""
        if self._going:
            self._going.join()
        else:
            self.remove()

    def _exit_code(self, execution: str) -> int | None:
        from docker.errors import NotFound  # noqa: PLC0415 (docker loads when used)

        try:
            code = self._client.exec_inspect(execution)["ExitCode"]
        except NotFound:
            return None
        # What still ran when the container's time was over was killed, and looks like any failure.
        return None if code is None or (code and self.over) else int(code)


def _folders(folder: str, files: Iterable[str]) -> list[str]:
    """The folder and those in it that the files need, each behind the one that it is in."""
    needed = {parent for name in files for parent in PurePosixPath(folder, name).parents}
    return sorted({folder, *(str(parent) for parent in needed if parent.is_relative_to(folder))})


def _entry(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path.strip("/"))
    # Zips, and with them wheels, know no earlier time.
    info.type, info.mode, info.mtime = kind, mode, EPOCH
    return info


def timed_out(detail: str = "") -> BuildTimeoutError:
    """The error of a build whose container's time is over."""
    return BuildTimeoutError(
        "The build took longer than its timeout", detail=detail, hint="give more: Build(timeout=3600)"
    )


def connect() -> Engine:
    """The engine that `DOCKER_HOST` names, or the one at the default socket.

    Raises:
        EngineNotRunningError: None answers.
    """
    import docker  # noqa: PLC0415 (docker loads when used)

    try:
        return Engine(docker.APIClient(**_settings(), version="auto", timeout=_SILENCE))
    except docker.errors.DockerException as error:
        where = os.environ.get("DOCKER_HOST", "the default socket")
        raise EngineNotRunningError(
            f"No container engine answers at {where}",
            detail=str(error),
            hint=_how_to_start(),
        ) from error


def _settings() -> dict[str, Any]:
    from docker.utils import kwargs_from_env  # noqa: PLC0415 (docker loads when used)

    return dict(kwargs_from_env())


def _how_to_start() -> str:
    if platform.system() == "Linux":
        return "sudo systemctl start docker, or set DOCKER_HOST"
    return "start Docker Desktop, Podman, Finch or Colima, or set DOCKER_HOST"


def _not_found(name: str, reason: str) -> ImageNotFoundError:
    return ImageNotFoundError(
        f"The build image `{name}` is not here and cannot be pulled",
        detail=reason,
        hint="check the name; behind a mirror, set `python-layer:image` or PYTHON_LAYER_IMAGE "
        "to a template such as mirror.corp/sam/build-python{python}:latest-{architecture}",
    )


def _pull_step(name: str, event: Mapping[str, Any]) -> str:
    return " ".join(filter(None, [f"Pulling {name}:", event.get("id"), event.get("status"), event.get("progress")]))


@contextmanager
def _translated(image: str = "") -> Iterator[None]:
    """Every exception of the engine's client as one of ours."""
    import docker  # noqa: PLC0415 (docker loads when used)
    import requests  # noqa: PLC0415 (as docker)
    import urllib3  # noqa: PLC0415 (as docker)

    try:
        yield
    except docker.errors.APIError as error:
        raise _failed(str(error.explanation or error), image) from error
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EngineFailedError(
            "The container engine broke off", detail=str(error), hint="check the engine's log, then try again"
        ) from error


def _failed(explanation: str, image: str) -> EngineError:
    if "exec format error" in explanation:
        return ImageMismatchError(
            f"This engine cannot run `{image}`: it is for another architecture",
            detail=explanation,
            hint="docker run --privileged --rm tonistiigi/binfmt --install all",
        )
    return EngineFailedError(
        "The container engine refused", detail=explanation, hint="check the engine's log, then try again"
    )


def _owners() -> Path:
    folder = user_cache_path("pulumi-python-layer") / "owners"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@cache
def _owner() -> str:
    """The name of this process on its containers; alive as long as it holds the lock of that name.

    A lock, because process numbers are used again and mean nothing to another machine or container.
    """
    owner = uuid.uuid4().hex
    lock = FileLock(_owners() / owner)
    lock.acquire()
    # The file outlives its process, which may not have removed its containers.
    atexit.register(lock.release)
    return owner


def _dead(owner: str) -> bool:
    file = _owners() / owner
    if not file.exists() or owner == _owner():
        # An owner without a file is of another machine, or of another person: not ours to judge.
        return False
    with suppress(Timeout), FileLock(file, blocking=False):
        return True
    return False


def _forget_all_but(owners: Collection[str]) -> None:
    """Remove the files of owners that have long had no container."""
    for file in _owners().iterdir():
        # Another process may have been faster.
        with suppress(FileNotFoundError):
            if file.name not in owners and time.time() - file.stat().st_mtime > _FORGOTTEN and _dead(file.name):
                file.unlink()
