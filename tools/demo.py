"""`make demo`: the quickstart through its whole life, on the real engine and an emulator of AWS."""

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from python_layer_provider.target import DEFAULT_IMAGE, Target
from tools.container_engine import connect
from tools.function_image import function_image
from tools.invocation import Invoker
from tools.parts import DEFAULT_PYTHON, RealParts, end_as_exception, real_parts
from tools.progress import PartUnavailableError

_ROOT = Path(__file__).parent.parent
_EXAMPLE = Path("examples/quickstart")
_REGION = "eu-west-1"
_LAYER = "python-layer-quickstart-demo-hello-deps"
_SECONDS = 60
_TARGET = Target.of(f"python{DEFAULT_PYTHON}", "x86_64")
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
        with _chapter("pulumi preview, with neither a container engine nor AWS"):
            _show(self._preview(), r"^ \+ .* create\b|to create")
        with _chapter("pulumi up: build the layer in a container, publish it, make the function"):
            _show(self._up(), r"created \(|\+ \d+ created")
            self._expect(versions=[1])
        self._invoke()
        with _chapter("pulumi up again: nothing has changed"):
            _show(self._up(), r"unchanged")
            self._expect(versions=[1])
        self._lock_again()
        with _chapter("requests has a new release, the lock file changes: pulumi preview"):
            _show(self._preview(), r"^\s*requests .* -> |to (replace|update)")
        with _chapter("pulumi up: publish version 2, move the function, delete version 1"):
            _show(self._up(), r"created replacement|updated \(|deleted original")
            self._expect(versions=[2])
        self._invoke()
        with _chapter("pulumi destroy: nothing is left"):
            _show(self._pulumi("destroy", "--yes", "--skip-preview"), r"- \d+ deleted")
            self._expect(versions=[])

    def _prepare(self) -> None:
        shutil.copy(_ROOT / "Pulumi.yaml", self._folder)
        shutil.copytree(_ROOT / _EXAMPLE, self._folder / _EXAMPLE)
        # A cache of its own, for a demo that builds; pip's cache and the images stay.
        self._environment["XDG_CACHE_HOME"] = str(self._folder / "cache")
        self._pulumi("stack", "init", "demo")
        self._pulumi("config", "set", "aws:region", _REGION)

    def _lock_again(self) -> None:
        lock = self._folder / _EXAMPLE / "hello/requirements.txt"
        text = lock.read_text()
        for old, new in _NEXT.items():
            text = text.replace(old, new)
        lock.write_text(text)

    def _preview(self) -> str:
        nowhere = "127.0.0.1:9"
        return self._pulumi("preview", DOCKER_HOST=f"tcp://{nowhere}", AWS_ENDPOINT_URL=f"http://{nowhere}")

    def _up(self) -> str:
        return self._pulumi("up", "--yes", "--skip-preview")

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
        listed = self._lambda.list_layer_versions(LayerName=_LAYER)["LayerVersions"]
        found = sorted(version["Version"] for version in listed)
        if found != versions:
            raise SystemExit(f"AWS has the versions {found} of the layer, and should have {versions}")
        print(f"   AWS has {'no version' if not found else f'version {found[0]}'} of the layer")

    def _invoke(self) -> None:
        """Show what the function answers, in a container that is laid out as Lambda's."""
        name = json.loads(self._pulumi("stack", "output", "--json"))["function"]
        event = {"name": "Ada"}
        engine = connect(self._parts.docker_host, timeout=_SECONDS)
        image = function_image(engine, DEFAULT_PYTHON, _TARGET.image(self._parts.image_template or DEFAULT_IMAGE))
        with _chapter(f"the function answers {json.dumps(event)}"):
            answer = Invoker(engine, image, self._lambda, self._folder / "cache")(name, event)
            if "requests" not in answer:
                raise SystemExit(f"The function failed:\n{json.dumps(answer, indent=2)}")
            print("  ", json.dumps(answer))
        engine.close()


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
        # The stack is a resource too, of which there is nothing to tell.
        if "pulumi:pulumi:Stack" not in line:
            print("  ", line.partition(" [diff: ")[0])


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
