"""What stages take, for tests that need one and do not care which."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from python_layer_provider.archive import LayerArchive, Zip
from python_layer_provider.errors import LockFileNotFoundError
from python_layer_provider.layer_version import LayerMetadata
from python_layer_provider.lockfile import Lockfile, Pin
from python_layer_provider.lockfile.source import Source
from python_layer_provider.plan import LayerPlan
from python_layer_provider.publish import AwsSettings
from python_layer_provider.selection import select
from python_layer_provider.target import Target
from python_layer_provider.tree import Deflated, Member

TARGET = Target.of("python3.13", "x86_64")
HASH = f"sha256:{'0' * 64}"
OTHER_HASH = f"sha256:{'1' * 64}"
A_UV_LOCK = f"""
version = 1

[[package]]
name = "app"
version = "0"
source = {{ virtual = "." }}
dependencies = [{{ name = "boto3" }}, {{ name = "idna" }}]
optional-dependencies = {{ fast = [{{ name = "six" }}] }}
dev-dependencies = {{ dev = [{{ name = "attrs" }}] }}
metadata = {{ requires-dist = [{{ name = "boto3" }}, {{ name = "idna" }}] }}

[[package]]
name = "idna"
version = "3.11"
source = {{ registry = "https://index.example/simple" }}
wheels = [{{ url = "https://files.example/idna-3.11-py3-none-any.whl", hash = "{HASH}", size = 20000000 }}]
""" + "".join(
    f"""
[[package]]
name = "{name}"
version = "1"
source = {{ registry = "https://index.example/simple" }}
sdist = {{ url = "https://files.example/{name}-1.tar.gz", hash = "{HASH}", size = 1000000 }}
"""
    for name in ("attrs", "boto3", "six")
)
"""The lock file of a project that needs boto3 and idna, six for its extra `fast`, and attrs for its group `dev`."""
ARN = "arn:aws:lambda:eu-west-1:123456789012:layer:deps:3"
METADATA = LayerMetadata(
    layer_name="deps",
    description=None,
    license_info=None,
    compatible_runtimes=("python3.13",),
    compatible_architectures=("x86_64",),
)


def a_pin(name: str = "idna", version: str | None = "3.11", **others: Any) -> Pin:
    """A pin of that name, with one hash."""
    given = {"specifier": f"=={version}" if version else "", "hashes": (HASH,), **others}
    return Pin(name=canonicalize_name(name), version=version, **given)


def a_plan(*pins: Pin, target: Target = TARGET, **others: Any) -> LayerPlan:
    """A plan of these pins."""
    return LayerPlan(target=target, pins=pins or (a_pin(),), **others)


def a_lockfile(*pins: Pin, **others: Any) -> Lockfile:
    """A lock file of these pins."""
    return Lockfile(label="requirements.txt", pins=pins, **others)


def a_source(
    text: str, label: str = "requirements.txt", files: Mapping[str, str] | None = None, **others: Any
) -> Source:
    """A lock file's text, beside these files: path to text."""

    def read(path: str) -> str:
        if files is None or path not in files:
            raise LockFileNotFoundError(f"no such file: `{path}`", input_name="requirements")
        return files[path]

    return Source(label=label, text=text, read=read, **{"environ": {}, **others})


def chosen(lockfile: Lockfile, target: Target = TARGET) -> dict[str, str | None]:
    """What a lock file selects for a target: name to version."""
    return {name: pin.version for name, pin in select(lockfile, target).pins.items()}


def a_member(
    path: str = "python/a.py", content: bytes = b"", *, executable: bool = False, size: int | None = None
) -> Member:
    """A file of a tree that has that content, or says it is of another size."""
    return Member(
        path=path,
        size=len(content) if size is None else size,
        executable=executable,
        origin="a-1-py3-none-any.whl",
        head=content,
        content=lambda: content,
    )


def deflated(member: Member, *, crc: int | None = None, size: int | None = None) -> Member:
    """The same file as a wheel has it: deflated, with what the wheel says of it."""
    content = member.content()
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    stream = deflater.compress(content) + deflater.flush()
    found = zlib.crc32(content) if crc is None else crc
    return replace(
        member, size=member.size if size is None else size, deflated=Deflated(crc=found, read=lambda: stream)
    )


def a_tar(*entries: tuple[str, bytes] | tarfile.TarInfo) -> bytes:
    """A tar stream of files, each a name and its content or whatever a header says."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for entry in entries:
            info, content = (
                (entry, b"") if isinstance(entry, tarfile.TarInfo) else (tarfile.TarInfo(entry[0]), entry[1])
            )
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """The data in chunks of these sizes, the rest as the last one."""
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def an_archive(folder: Path, content: bytes = b"PK", *, claims: int | None = None) -> LayerArchive:
    """An archive of that content, which may claim another size."""
    path = folder / "layer.zip"
    path.write_bytes(content)
    sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode()
    size = len(content) if claims is None else claims
    return LayerArchive(
        zip=Zip(path=path, code_sha256=sha256, size=size),
        unpacked_size=7,
        packages={"idna": "3.11"},
        image_digest="sha256:beef",
    )


def settings_for(endpoint: str, **others: Any) -> AwsSettings:
    """Settings that reach this endpoint and no real AWS."""
    given = {"region": "eu-west-1", "access_key": "testing", "secret_key": "testing", **others}
    return AwsSettings(endpoints=dict.fromkeys(("lambda", "s3", "sts"), endpoint), **given)
