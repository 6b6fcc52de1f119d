"""Runs a function of the AWS emulator's in a container, as Lambda would: its code, its layers, its variables."""

import base64
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

_AUTHORITIES = "authorities.pem"
_SECONDS = 60


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

    def __call__(self, name: str, event: Any, outside: Outside | None = None) -> Any:
        """Run a function with an event; what it answers. It has a network only where there is an outside."""
        function = self._aws.get_function_configuration(FunctionName=name)
        container = self._engine.containers.create(
            self._image,
            [function["Handler"], json.dumps(event)],
            environment={**_told(outside), **function.get("Environment", {}).get("Variables", {})},
            network_mode="bridge" if outside else "none",
        )
        try:
            for folder, digest in self._parts(function):
                container.put_archive(folder, _as_tar(self._zip_of(digest)))
            if outside and outside.authorities:
                container.put_archive("/", _tar({_AUTHORITIES: outside.authorities}))
            container.start()
            container.wait(timeout=_SECONDS)
            said = container.logs().decode()
        finally:
            container.remove(force=True)
        return json.loads(said.splitlines()[-1])

    def _parts(self, function: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Where each zip of a function goes, and its digest in AWS's form."""
        yield "/var/task", function["CodeSha256"]
        for layer in function["Layers"]:
            name, _, number = layer["Arn"].rpartition(":")
            version = self._aws.get_layer_version(LayerName=name.rpartition(":")[2], VersionNumber=int(number))
            yield "/opt", version["Content"]["CodeSha256"]

    def _zip_of(self, digest: str) -> Path:
        wanted = base64.b64decode(digest)
        for path in self._cache.rglob("*.zip"):
            if hashlib.sha256(path.read_bytes()).digest() == wanted:
                return path
        raise FileNotFoundError(f"no zip in {self._cache} has the digest {digest}")


def _told(outside: Outside | None) -> dict[str, str]:
    if outside is None:
        return {}
    return {**outside.variables, **({"PIP_CERT": f"/{_AUTHORITIES}"} if outside.authorities else {})}


def _as_tar(zipped: Path) -> bytes:
    """Return a zip's members, those that are executable as such."""
    with zipfile.ZipFile(zipped) as archive:
        executable = {member.filename for member in archive.infolist() if member.external_attr >> 16 & 0o100}
        return _tar({name: archive.read(name) for name in archive.namelist()}, executable)


def _tar(files: Mapping[str, bytes], executable: Container[str] = ()) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755 if name in executable else 0o644
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()
