"""A folder with the Pulumi engine and its Python parts: the person's own, a copy, the official release, or built."""

import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from filelock import FileLock

from tools.places import log_file, tool_folder
from tools.process import CommandFailedError, run, tied_to_us
from tools.progress import PartUnavailableError, say, step

# The newest release that the Go module proxy serves whole.
VERSION = "3.250.0"
PROGRAMS = ("pulumi", "pulumi-resource-pulumi-python", "pulumi-language-python")

_ANSWER_SECONDS = 4
_GO_NEEDED = (1, 25)
_MODULE = f"""\
module build
go {_GO_NEEDED[0]}.{_GO_NEEDED[1]}
require github.com/pulumi/pulumi/pkg/v3 v{VERSION}
"""
# Without its version the Automation API refuses the engine.
_LINKER_FLAGS = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{VERSION}"
# The interpreter and the launcher come by environment: many checkouts, each with its own, share this file.
_LANGUAGE_HOST = """\
#!/bin/sh
# Stands in for Pulumi's own language host, which the Go module proxy does not serve.
if [ -z "${PYTHON_LAYER_LANGUAGE_HOST:-}" ]; then
    echo "This Pulumi was built for pulumi-python-layer: run it with \\`python -m tools.parts -- pulumi ...\\`" >&2
    exit 1
fi
exec "${PULUMI_PYTHON_CMD:-python3}" -I "$PYTHON_LAYER_LANGUAGE_HOST" "${0%/*}/pulumi-language-python-exec" "$@"
"""
_ADVICE = "Install Pulumi so that `pulumi` is on PATH, or Go 1.25 or newer so that it can be built."


def pulumi_bin() -> Path:
    """Return the folder with Pulumi's programs, making it where there is none."""
    return _on_path() or _cached() or _made()


def _on_path() -> Path | None:
    found = shutil.which("pulumi")
    if found is None:
        return None
    # Pulumi looks for its parts on PATH and beside the real file that a link leads to.
    real = Path(found).resolve().parent
    complete = all(shutil.which(program) or (real / program).is_file() for program in PROGRAMS)
    return Path(found).absolute().parent if complete else None


def _home() -> Path:
    return tool_folder() / f"pulumi-{VERSION}"


def _cached() -> Path | None:
    # The folder appears in one rename, when it is complete.
    folder = _home() / "bin"
    return folder if folder.is_dir() else None


def _made() -> Path:
    with FileLock(tool_folder("locks") / "pulumi.lock"):
        cached = _cached()
        if cached is None:
            for left in tool_folder().glob("build-*"):
                # A killed run's: we hold the lock.
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(prefix="build-", dir=tool_folder()) as folder:
                new = Path(folder, "new")
                if not _downloaded(new):
                    _build(new, Path(folder))
                new.rename(_home())
        return _home() / "bin"


def _downloaded(new: Path) -> bool:
    if not _release_site_answers():
        return False
    # Not on top: the SDK takes half a second to import, and a copy that is there needs none of it.
    from pulumi.automation import PulumiCommand  # noqa: PLC0415
    from semver import VersionInfo  # noqa: PLC0415

    try:
        with step(f"Downloading Pulumi {VERSION}"):
            PulumiCommand.install(root=str(new), version=VersionInfo.parse(VERSION))
    except (OSError, subprocess.CalledProcessError, RuntimeError) as error:
        say(f"Pulumi's release could not be downloaded ({error}); building it instead.")
        return False
    return True


def _release_site_answers() -> bool:
    # The SDK's installer has no time limit of its own, and where nothing answers it must not be waited for.
    request = urllib.request.Request("https://get.pulumi.com/install.sh", method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=_ANSWER_SECONDS).close()  # noqa: S310 - the address is ours
    except OSError:
        return False
    return True


def _build(new: Path, scratch: Path) -> None:
    go = _go()
    (scratch / "go.mod").write_text(_MODULE)
    binaries = new / "bin"
    binaries.mkdir(parents=True)
    package = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
    command = [go, "build", "-trimpath", "-ldflags", _LINKER_FLAGS, "-o", str(binaries / "pulumi"), package]
    try:
        with step(f"Building Pulumi {VERSION} with Go (about five minutes the first time)"):
            run(tied_to_us(command), log=log_file("pulumi-build"), cwd=scratch, env=_go_environment(scratch))
    except CommandFailedError as error:
        raise PartUnavailableError(f"Pulumi could not be built: {error}\n{_ADVICE}") from error
    _add_python_parts(binaries, _module_cache(go))


def _go_environment(scratch: Path) -> dict[str, str]:
    # A person's GOOS, GOFLAGS=-mod=vendor, a go.work above the scratch folder, … are about their own projects.
    # An interrupted Go leaves its temporary files: they go with the scratch folder.
    ours = {"GOFLAGS": "-mod=mod", "GOWORK": "off", "GO111MODULE": "on", "GOTMPDIR": str(scratch)}
    theirs = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH", "GOBIN"}}
    return {**theirs, **ours}


def _go() -> str:
    go = shutil.which("go")
    if go is None:
        raise PartUnavailableError(f"Pulumi is not on PATH, cannot be downloaded, and Go is missing. {_ADVICE}")
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"go(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < _GO_NEEDED:
        raise PartUnavailableError(f"Pulumi is not on PATH, cannot be downloaded, and Go is too old: {said}{_ADVICE}")
    return go


def _module_cache(go: str) -> Path:
    said = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout
    return Path(said.strip()) / "github.com/pulumi/pulumi/sdk" / f"v3@v{VERSION}" / "python"


def _add_python_parts(binaries: Path, module: Path) -> None:
    _add_program(binaries / PROGRAMS[1], (module / "dist" / PROGRAMS[1]).read_text())
    executor = "pulumi-language-python-exec"
    _add_program(binaries / executor, (module / "cmd" / executor).read_text())
    _add_program(binaries / PROGRAMS[2], _LANGUAGE_HOST)


def _add_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
