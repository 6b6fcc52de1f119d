"""`make demo`: the quickstart through its whole life, on the real engine and an emulator of AWS."""

import io
import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import docker

from tools.parts import RealParts, end_as_exception, real_parts
from tools.progress import PartUnavailableError

_ROOT = Path(__file__).parent.parent
_REGION = "eu-west-1"
_LAYER = "python-layer-quickstart-demo-deps"
_IMPORTS = "import orjson, pyleri, requests; print('requests', requests.__version__, 'from', requests.__file__)"
# What a later `uv pip compile --upgrade-package requests` writes.
_NEXT = {
    "requests==2.32.3": "requests==2.32.5",
    "55365417734eb18255590a9ff9eb97e9e1da868d4ccd6402399eaf68af20a760": (
        "2462f94637a34fd532264295e186976db0f5d453d1cdd31473c85a6a161affb6"
    ),
    "70761cfe03c773ceb22aa2f671b4757976145175cdfca038c02654d061d6dcc6": (
        "dbba0bac56e100853db0ea71b82b4dfd5fe2bf6d3754a8893c3af500cec7d7cf"
    ),
}


class Demo:
    """The quickstart in a folder of its own, with a stack of its own."""

    def __init__(self, parts: RealParts, folder: Path) -> None:
        self._parts = parts
        self._folder = folder
        self._environment = parts.environment(folder / "home")
        self._lambda = boto3.client(
            "lambda",
            region_name=_REGION,
            endpoint_url=parts.aws.endpoint,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106 (the emulator takes any)
        )

    def run(self) -> None:
        """Tell the story; what does not come out as it should ends it."""
        self._prepare()
        with _chapter("pulumi up: build in a container, publish"):
            _show(self._pulumi("up", "--yes", "--skip-preview"), r"created \(|arn +:|\+ \d+ created")
            self._expect(versions=[1])
        with _chapter("pulumi up again: nothing has changed"):
            _show(self._pulumi("up", "--yes", "--skip-preview"), r"unchanged")
            self._expect(versions=[1])
        self._lock_again()
        with _chapter("requests has a new release, the lock file changes; pulumi preview, with no container engine"):
            _show(self._pulumi("preview", DOCKER_HOST="tcp://127.0.0.1:9"), r"^\s*requests .* -> |to replace")
        with _chapter("pulumi up: publish version 2, then delete version 1"):
            _show(self._pulumi("up", "--yes", "--skip-preview"), r"created replacement|deleted original|~ arn")
            self._expect(versions=[2])
        with _chapter("the layer, unpacked at /opt in a fresh container"):
            print("  ", self._imported())
        with _chapter("pulumi destroy: nothing is left"):
            _show(self._pulumi("destroy", "--yes", "--skip-preview"), r"- \d+ deleted")
            self._expect(versions=[])

    def _prepare(self) -> None:
        shutil.copy(_ROOT / "Pulumi.yaml", self._folder)
        shutil.copytree(_ROOT / "examples/quickstart", self._folder / "examples/quickstart")
        # A cache of its own, for a demo that builds; pip's cache and the images stay.
        self._environment["XDG_CACHE_HOME"] = str(self._folder / "cache")
        self._pulumi("stack", "init", "demo")
        self._pulumi("config", "set", "aws:region", _REGION)

    def _lock_again(self) -> None:
        lock = self._folder / "examples/quickstart/requirements.txt"
        text = lock.read_text()
        for old, new in _NEXT.items():
            text = text.replace(old, new)
        lock.write_text(text)

    def _pulumi(self, *arguments: str, **environment: str) -> str:
        command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
        found = subprocess.run(
            [shutil.which("pulumi", path=self._environment["PATH"]) or "pulumi", *command[1:]],
            cwd=self._folder,
            env={**self._environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if found.returncode:
            raise SystemExit(f"`{' '.join(command)}` failed:\n{found.stdout}")
        return found.stdout

    def _expect(self, *, versions: list[int]) -> None:
        found = sorted(layer["Version"] for layer in self._layers())
        if found != versions:
            raise SystemExit(f"AWS has the versions {found} of the layer, and should have {versions}")
        print(f"   AWS has {'no version' if not found else f'version {found[0]}'}")

    def _layers(self) -> list[Mapping[str, Any]]:
        pages = self._lambda.get_paginator("list_layer_versions").paginate(LayerName=_LAYER)
        return [layer for page in pages for layer in page["LayerVersions"]]

    def _imported(self) -> str:
        """What a fresh container says that imports from the layer, as published."""
        archive = self._archive()
        client = docker.DockerClient(base_url=self._parts.docker_host) if self._parts.docker_host else docker.from_env()
        image = (self._parts.image_template or "public.ecr.aws/lambda/python:{python}").replace("{python}", "3.11")
        unpack = f"import shutil; shutil.unpack_archive('/{archive.name}', '/opt', 'zip')"
        container = client.containers.create(
            image,
            entrypoint=["sh", "-c"],
            command=[f'python3.11 -c "{unpack}" && PYTHONPATH=/opt/python python3.11 -c "{_IMPORTS}"'],
            network_disabled=True,
        )
        try:
            container.put_archive("/", _tar(archive))
            container.start()
            code = container.wait()["StatusCode"]
            said = container.logs().decode().strip()
        finally:
            container.remove(force=True)
            client.close()
        if code:
            raise SystemExit(f"The layer does not import:\n{said}")
        return said

    def _archive(self) -> Path:
        """The zip of the version in AWS: the one in the cache that has its checksum."""
        code_sha256 = json.loads(self._pulumi("stack", "output", "--json"))["code_sha256"]
        for description in (self._folder / "cache").rglob("*.json"):
            if json.loads(description.read_text())["zip"]["code_sha256"] == code_sha256:
                return description.with_suffix(".zip")
        raise SystemExit(f"The zip with the checksum {code_sha256} is not in the cache")


def _tar(path: Path) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.add(path, path.name)
    return file.getvalue()


@contextmanager
def _chapter(title: str) -> Iterator[None]:
    print(f"\n{title}", flush=True)
    started = time.monotonic()
    yield
    print(f"   {time.monotonic() - started:.1f} s", flush=True)


def _show(output: str, wanted: str) -> None:
    """The lines of Pulumi's output that tell the story, each once."""
    lines = [line.strip() for line in output.splitlines() if re.search(wanted, line)]
    for line in dict.fromkeys(lines):
        print("  ", line)


def main() -> int:
    """Bring the parts up, tell the story, take them down."""
    signal.signal(signal.SIGTERM, end_as_exception)
    started = time.monotonic()
    try:
        with real_parts() as parts, tempfile.TemporaryDirectory(prefix="python-layer-demo-") as folder:
            Demo(parts, Path(folder)).run()
    except PartUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"\nDone in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
