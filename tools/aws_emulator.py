"""The AWS emulator: moto as a child process on loopback, and an environment that reaches it and no real AWS."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tools.process import tail
from tools.progress import PartUnavailableError, step

_SERVER = Path(__file__).with_name("moto_server.py")
_START_SECONDS = 60
_STOP_SECONDS = 5
_FIRST_BYTES = 65536
_LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True, kw_only=True)
class AwsEmulator:
    """A running emulator."""

    endpoint: str

    def environment(self, base: Mapping[str, str], *, region: str | None = None) -> dict[str, str]:
        """Return `base` with its AWS settings replaced by the emulator's, so that no real account is ever reached."""
        kept = without_aws(base)
        # A proxy would be asked for the emulator too; both spellings are in use.
        no_proxy = {name: ",".join(filter(None, [kept.get(name), _LOOPBACK])) for name in ("NO_PROXY", "no_proxy")}
        return {**kept, **no_proxy, **self.variables(region=region)}

    def variables(self, *, region: str | None = None) -> dict[str, str]:
        """Return the emulator's settings alone, with a region only where one is asked for."""
        settings = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_SESSION_TOKEN": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        return settings if region is None else {**settings, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without any AWS setting: profiles, keys, roles, endpoints, regions."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


@contextmanager
def aws_emulator(settings: Mapping[str, str] | None = None) -> Iterator[AwsEmulator]:
    """Run an emulator for the length of the block; `settings` are added to its process's environment."""
    with tempfile.TemporaryFile() as output:
        process = _start(settings or {}, output)
        try:
            with step("Starting the AWS emulator"):
                port = _port(process, output)
            yield AwsEmulator(endpoint=f"http://127.0.0.1:{port}")
        finally:
            _stop(process)


def _start(settings: Mapping[str, str], output: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", str(_SERVER)],
        # Held open by us alone: however we end, the emulator reads the end of it and ends too.
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env={**without_aws(os.environ), **settings},
        # Ctrl-C is for the command that uses the emulator, which may still have to clean up with it.
        start_new_session=True,
    )


def _port(process: "subprocess.Popen[bytes]", output: IO[bytes]) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        said = os.pread(output.fileno(), _FIRST_BYTES, 0)
        if port := re.search(rb"^port (\d+)$", said, re.MULTILINE):
            return int(port[1])
        time.sleep(0.05)
    quoted = tail(os.pread(output.fileno(), _FIRST_BYTES, 0).decode(errors="replace"))
    raise PartUnavailableError(f"The AWS emulator did not start:\n{quoted}\nIs `moto[server]` installed here?")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    # Closes its standard input, and kills it if that is not enough.
    try:
        process.communicate(timeout=_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
