"""All real parts together, and `python -m tools.parts -- COMMAND` to run a command among them."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from tools.aws_emulator import AwsEmulator, aws_emulator
from tools.build_image import build_images
from tools.container_engine import container_engine
from tools.places import tool_folder
from tools.progress import PartUnavailableError, say
from tools.pulumi_cli import pulumi_bin

DEFAULT_PYTHON = "3.11"

# Roles take the policies that every account has.
_EMULATOR_SETTINGS = {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
_LANGUAGE_HOST = Path(__file__).with_name("language_host.py")
_AWS_PLUGIN = Path(__file__).with_name("aws_plugin.py")
# The interpreter and the plugin come by environment: many checkouts, each with its own, share a home.
_AWS_LAUNCHER = """\
#!/bin/sh
exec "$PULUMI_PYTHON_CMD" -I "$PYTHON_LAYER_AWS_PLUGIN" "$@"
"""


@dataclass(frozen=True, kw_only=True)
class RealParts:
    """Where each part is."""

    pulumi_bin: Path
    docker_host: str | None
    image_template: str | None
    aws: AwsEmulator

    def environment(self, home: Path, *, region: str | None = None) -> dict[str, str]:
        """Return the environment for Pulumi and its programs; stacks and Pulumi's own files are kept in `home`."""
        base = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
        return {**self.aws.environment(base, region=region), **self._pulumi(home), **self._container()}

    def _pulumi(self, home: Path) -> dict[str, str]:
        (home / "stacks").mkdir(parents=True, exist_ok=True)
        return {
            "PATH": os.pathsep.join([str(_with_aws_plugin(home / "bin")), self._path()]),
            "PULUMI_HOME": str(home / "pulumi"),
            "PULUMI_BACKEND_URL": (home / "stacks").resolve().as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "only for trying out",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_PYTHON_CMD": sys.executable,
            "PYTHON_LAYER_LANGUAGE_HOST": str(_LANGUAGE_HOST),
            "PYTHON_LAYER_AWS_PLUGIN": str(_AWS_PLUGIN),
        }

    def _path(self) -> str:
        path = os.environ.get("PATH", os.defpath)
        found = shutil.which("pulumi", path=path)
        if found is not None and Path(found).absolute().parent == self.pulumi_bin:
            return path
        return os.pathsep.join([str(self.pulumi_bin), path])

    def _container(self) -> dict[str, str]:
        settings = {"DOCKER_HOST": self.docker_host, "PYTHON_LAYER_IMAGE": self.image_template}
        return {name: value for name, value in settings.items() if value is not None}


def _with_aws_plugin(folder: Path) -> Path:
    """Have the stand-in for the aws plugin in a folder: the official one is in no package registry."""
    folder.mkdir(parents=True, exist_ok=True)
    launcher = folder / "pulumi-resource-aws"
    if not launcher.exists():
        launcher.write_text(_AWS_LAUNCHER)
        launcher.chmod(0o755)
    return folder.absolute()


@contextmanager
def real_parts(*pythons: str) -> Iterator[RealParts]:
    """Have all parts for the length of the block, with a build image for each of the Python versions given."""
    pulumi = pulumi_bin()
    with container_engine() as host:
        template = build_images(pythons or (DEFAULT_PYTHON,), host)
        with aws_emulator(_EMULATOR_SETTINGS if host is None else {**_EMULATOR_SETTINGS, "DOCKER_HOST": host}) as aws:
            yield RealParts(pulumi_bin=pulumi, docker_host=host, image_template=template, aws=aws)


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring the parts up; run the command given among them, or say where each one is."""
    options = _parser().parse_args(arguments)
    # As an exception it passes through everything that has to be stopped.
    signal.signal(signal.SIGTERM, end_as_exception)
    try:
        with real_parts(*options.python) as parts:
            if options.command:
                return _run(options.command, parts.environment(options.home or tool_folder("home")))
            _describe(parts)
    except PartUnavailableError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.parts", description=__doc__)
    parser.add_argument("--python", action="append", default=[], help="a build image's Python version (3.11)")
    parser.add_argument("--home", type=Path, help="where stacks are kept (a folder of the cache)")
    parser.add_argument("command", nargs="*", help="the command, after `--`")
    return parser


def end_as_exception(number: int, _: FrameType | None) -> None:
    """Handle a signal as an exception, which passes through everything that has to be stopped."""
    raise SystemExit(128 + number)


def _run(command: list[str], environment: dict[str, str]) -> int:
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    try:
        process = subprocess.Popen([program, *command[1:]], env=environment)
    except OSError as error:
        say(f"`{command[0]}` could not be run: {error.strerror}")
        return 127
    with _left_to(process):
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _left_to(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Leave signals to the command: a terminal sends it Ctrl-C as well, and it knows best how to end."""
    handlers: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.SIG_IGN,
        signal.SIGTERM: lambda *_: process.terminate(),
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _describe(parts: RealParts) -> None:
    say(f"Pulumi           {parts.pulumi_bin}")
    say(f"Container engine {parts.docker_host or 'the default one'}")
    say(f"Build image      {parts.image_template or 'the official one'}")
    say(f"AWS emulator     {parts.aws.endpoint}")


if __name__ == "__main__":
    sys.exit(main())
