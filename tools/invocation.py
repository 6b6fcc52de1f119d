"""Runs a function of the AWS emulator's in a container, as Lambda would: its code, its layers, its variables."""

import base64
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

_AUTHORITIES = "authorities.pem"
_SECONDS = 60
# Lambda's, where nothing else is asked for.
_TMP = {"/tmp": "exec,size=512m"}  # noqa: S108 (Lambda's own path)


@dataclass(frozen=True, kw_only=True)
class Outside:
    """The world of a function that has a network."""

    variables: Mapping[str, str]
    """What its runtime tells it: region, credentials, where to find what."""
    authorities: bytes | None
    """The certificate authorities that pip in it is to trust."""


class Invoker:
    """Runs functions whose code and layers were packed on this machine.

    Args:
        engine: The container engine.
        image: What functions run in; see `function_image`.
        aws: A client of the emulator's Lambda.
        cache: The folder with the zips of code and layers: the emulator does not hand out what it was given.
    """

    def __init__(self, engine: docker.DockerClient, image: str, aws: Any, cache: Path) -> None:
        self._engine = engine
        self._image = image
        self._aws = aws
        self._cache = cache

    def __call__(self, name: str, event: Any, *, code: Path | None = None, outside: Outside | None = None) -> Any:
        """Run a function with an event; what it answers.

        Args:
            name: The function's in AWS.
            event: What it is called with.
            code: The zip of its code, where that is not in the cache.
            outside: Its network; without one, it has none.
        """
        network = "bridge" if outside else "none"
        with self._made(name, [event], code, outside, network_mode=network) as container:
            container.start()
            container.wait(timeout=_SECONDS)
            return json.loads(container.logs().decode().splitlines()[-1])

    @contextmanager
    def started(self, name: str, *events: Any) -> Iterator[Container]:
        """A function under way as in Lambda: with a network, and a file system that is read-only but for /tmp.

        Each event is for a process of its own, which finds /tmp as the one before has left it.
        """
        with self._made(name, events) as made:
            # Nothing can be put into a container that is read-only.
            image = str(made.commit().id)
        try:
            container = self._engine.containers.create(image, read_only=True, tmpfs=_TMP)
            try:
                container.start()
                yield container
            finally:
                container.remove(force=True)
        finally:
            self._engine.images.remove(image)

    @contextmanager
    def _made(
        self,
        name: str,
        events: Sequence[Any],
        code: Path | None = None,
        outside: Outside | None = None,
        **options: Any,
    ) -> Iterator[Container]:
        function = self._aws.get_function_configuration(FunctionName=name)
        variables = {**_told(outside), **function.get("Environment", {}).get("Variables", {})}
        command = [function["Handler"], *map(json.dumps, events)]
        container = self._engine.containers.create(self._image, command, environment=variables, **options)
        try:
            for folder, digest in self._parts(function):
                container.put_archive(folder, as_tar(self._zip_of(digest, code)))
            if outside and outside.authorities:
                container.put_archive("/", _tar({_AUTHORITIES: outside.authorities}))
            yield container
        finally:
            container.remove(force=True)

    def _parts(self, function: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Where each zip of a function goes, and its digest in AWS's form."""
        yield "/var/task", function["CodeSha256"]
        for layer in function["Layers"]:
            name, _, number = layer["Arn"].rpartition(":")
            version = self._aws.get_layer_version(LayerName=name.rpartition(":")[2], VersionNumber=int(number))
            yield "/opt", version["Content"]["CodeSha256"]

    def _zip_of(self, digest: str, code: Path | None) -> Path:
        wanted = base64.b64decode(digest)
        for path in (*([code] if code else []), *self._cache.rglob("*.zip")):
            if hashlib.sha256(path.read_bytes()).digest() == wanted:
                return path
        raise FileNotFoundError(f"no zip in {self._cache} has the digest {digest}")


def _told(outside: Outside | None) -> dict[str, str]:
    if outside is None:
        return {}
    return {**outside.variables, **({"PIP_CERT": f"/{_AUTHORITIES}"} if outside.authorities else {})}


def as_tar(zipped: Path) -> bytes:
    """Return a zip's members, those that are executable as such."""
    with zipfile.ZipFile(zipped) as archive:
        executable = {member.filename for member in archive.infolist() if member.external_attr >> 16 & 0o100}
        return _tar({name: archive.read(name) for name in archive.namelist()}, executable)


def _tar(files: Mapping[str, bytes], executable: Collection[str] = ()) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755 if name in executable else 0o644
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()
