"""How much memory a layer takes on its way from a wheel into a bucket, from small ones to the largest."""

import os
import resource
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from python_layer_provider.archive import LayerArchive, write_archive
from python_layer_provider.build import wheels
from python_layer_provider.progress import Progress
from python_layer_provider.publish import AwsSettings, Bucket, store_layer
from python_layer_provider.publish.session import client
from python_layer_provider.target import Target
from python_layer_provider.verify import Verification
from tools.aws_emulator import aws_emulator

_SIZES = (10, 60, 120, 240)
_FILE = 1 << 20
_TARGET = Target.of("python3.13", "x86_64")


@dataclass(frozen=True, kw_only=True)
class Peak:
    """What a process took at most, in MB; both include Python, and the second boto3."""

    layer: int
    """MB of the layer, unzipped."""
    assembled: int
    """Until the zip was written."""
    uploaded: int
    """Until it was in the bucket."""


def peaks() -> Iterator[Peak]:
    """Measure each size in a process of its own."""
    with aws_emulator() as aws:
        environment = aws.environment(os.environ, region="eu-west-1")
        for size in _SIZES:
            command = [sys.executable, "-m", "benchmarks.memory", str(size)]
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            assembled, uploaded = map(int, done.stdout.split())
            yield Peak(layer=size, assembled=assembled, uploaded=uploaded)


def table(found: Iterator[Peak]) -> Table:
    """The peaks, a line each."""
    shown = Table(title="Peak memory, MB", title_justify="left")
    for heading in ("layer", "assembled", "and uploaded"):
        shown.add_column(heading, justify="right")
    for peak in found:
        shown.add_row(str(peak.layer), str(peak.assembled), str(peak.uploaded))
    return shown


def main() -> None:
    """Bring a layer of as many MB as the first argument says into a bucket, and print the peaks."""
    with tempfile.TemporaryDirectory() as folder:
        archive = _assembled(_wheel(Path(folder), int(sys.argv[1])), Path(folder))
        assembled = _peak()
        settings = AwsSettings(region="eu-west-1")
        bucket = Bucket(name=f"memory-{sys.argv[1]}", prefix="", settings=settings)
        client(settings, "s3").create_bucket(
            Bucket=bucket.name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        store_layer(bucket, "1:memory", archive, Progress())
        print(assembled, _peak())


def _wheel(folder: Path, size: int) -> Path:
    """A wheel of files that cannot be compressed."""
    path = folder / "large-1.0-py3-none-any.whl"
    info = "large-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: large\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        for number in range(size):
            wheel.writestr(f"large/{number}.bin", os.urandom(_FILE))
        wheel.writestr(f"{info}/RECORD", "".join(f"large/{number}.bin,,\n" for number in range(size)))
    return path


def _assembled(wheel: Path, folder: Path) -> LayerArchive:
    verification = Verification(target=_TARGET)
    members = verification.checked(wheels.tree([wheel], _TARGET, ()))
    zipped = write_archive(members, folder / "layer.zip")
    return LayerArchive(zip=zipped, unpacked_size=verification.unpacked_size, packages={}, image_digest="")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


if __name__ == "__main__":
    main()
