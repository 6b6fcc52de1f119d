"""The command line: plan, build and inspect layers without Pulumi."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.table import Table

from python_layer_provider.build import Built, build_layer, workspace
from python_layer_provider.contents import Contents, read_contents
from python_layer_provider.errors import (
    ArchiveError,
    CancelledError,
    EngineError,
    InputError,
    InstallError,
    LayerError,
    TreeError,
)
from python_layer_provider.lockfile import read_lockfile
from python_layer_provider.plan import LayerPlan, lock_warning, make_plan
from python_layer_provider.progress import Progress
from python_layer_provider.publish import DIRECT_UPLOAD_LIMIT
from python_layer_provider.settings import DEFAULT_TIMEOUT, IMAGE_VARIABLE, BuildSettings, image_template
from python_layer_provider.target import ARCHITECTURES, DEFAULT_ARCHITECTURE, DEFAULT_RUNTIME, RUNTIMES, Target
from python_layer_provider.verify import UNZIPPED_LIMIT

_Command = TypeVar("_Command", bound=Callable[..., Any])

EXIT_CODES: Mapping[type[LayerError], int] = {
    InputError: 2,
    ArchiveError: 2,
    EngineError: 3,
    InstallError: 4,
    TreeError: 5,
    CancelledError: 130,
}
"""Class of error to exit code; 1 for any other. click itself exits with 2 for a command line it cannot read."""

_EXIT_HELP = """\b
Exit codes:
  0    done
  2    the command line, the lock file or the zip is at fault
  3    the container engine or the image is at fault
  4    pip could not install the plan
  5    what pip installed cannot be a layer
  130  interrupted
"""
# How many of the largest files `inspect` shows.
_FILES_SHOWN = 10


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXIT_HELP)
@click.version_option(version("pulumi-python-layer"))
def main() -> None:
    """Locked Python dependencies as an AWS Lambda layer."""
    # An ordinary end, so that the container is removed on the way out.
    signal.signal(signal.SIGTERM, _terminate)


def _planning(command: _Command) -> _Command:
    """The options that say what goes into a layer."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--strict", is_flag=True, help="Refuse requirements without version or hash."),
        click.option(
            "--architecture",
            default=DEFAULT_ARCHITECTURE,
            show_default=True,
            metavar="|".join(ARCHITECTURES),
            help="Lambda's instruction set.",
        ),
        click.option(
            "--runtime",
            default=DEFAULT_RUNTIME,
            show_default=True,
            metavar=f"{RUNTIMES[0]}…{RUNTIMES[-1]}",
            help="Lambda's runtime.",
        ),
        click.option(
            "-r",
            "--requirements",
            required=True,
            metavar="PATH",
            help="The lock file, or a folder that holds one.",
        ),
    ):
        command = option(command)
    return command


def _clean(command: _Command) -> _Command:
    """Show an error of ours as its message, with its exit code."""

    @wraps(command)
    def run(**options: Any) -> Any:
        try:
            return command(**options)
        except LayerError as error:
            _fail(error)
        except KeyboardInterrupt:
            _fail(CancelledError("Interrupted, nothing was written"))
        except OSError as error:
            _fail(LayerError(f"A file cannot be read or written: {error}", hint="check space and rights"))

    return run  # type: ignore[return-value]


@main.command()
@_planning
@_clean
def plan(*, requirements: str, runtime: str, architecture: str, strict: bool, as_json: bool) -> None:
    """Show what a layer will hold; needs no container engine and no network."""
    made = _plan(requirements, runtime, architecture, strict=strict)
    if as_json:
        _print_json(
            {
                "content_hash": made.content_hash(),
                "runtime": runtime,
                "architecture": architecture,
                "locked": made.reproducible,
                "packages": made.packages,
            }
        )
        return
    table = Table(title=f"{len(made.pins)} packages for {runtime} on {architecture}", title_justify="left")
    table.add_column("package")
    table.add_column("version")
    table.add_column("hashes", justify="right")
    for pin in made.pins:
        table.add_row(pin.name, made.packages[pin.name], str(len(pin.hashes) or "none"))
    Console().print(table, f"content hash {made.content_hash()}", soft_wrap=True, highlight=False)


@main.command()
@_planning
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("layer.zip"),
    show_default=True,
    help="Where the zip goes.",
)
@click.option(
    "--image",
    metavar="TEMPLATE",
    help=f"Where the build image comes from, with {{python}} and {{architecture}}. Defaults to {IMAGE_VARIABLE}, "
    "else AWS SAM's.",
)
@click.option("--timeout", type=float, default=DEFAULT_TIMEOUT, show_default=True, help="Seconds.")
@click.option("--no-cache", is_flag=True, help="Assemble again, even if this machine has built the same layer.")
@_clean
def build(  # noqa: PLR0913 (a command has as many options as it has)
    *,
    requirements: str,
    runtime: str,
    architecture: str,
    strict: bool,
    as_json: bool,
    output: Path,
    image: str | None,
    timeout: float,
    no_cache: bool,
) -> None:
    """Build a layer's zip, as an update of the stack would."""
    made = _plan(requirements, runtime, architecture, strict=strict)
    images = image_template(image, os.environ)
    settings = BuildSettings(image_template=images, timeout=timeout, use_cache=not no_cache)
    with workspace() as folder, _shown() as progress:
        built = build_layer(made, settings, folder, progress)
        output.parent.mkdir(parents=True, exist_ok=True)
        copyfile(built.archive.zip.path, output)
    if as_json:
        _print_json(_built(made, built))
    else:
        archive = built.archive
        how = "from the cache" if built.cached else " ".join(f"{k} {v:.2f} s" for k, v in built.stages.items())
        click.echo(
            f"{output}: {len(archive.packages)} packages, {_mb(archive.zip.size)} zipped, "
            f"{_mb(archive.unpacked_size)} unzipped ({how})"
        )


@main.command()
@click.argument("archive", metavar="LAYER.ZIP", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_clean
def inspect(*, archive: Path, as_json: bool) -> None:
    """Show what is in a layer's zip, and what of Lambda's limits it leaves."""
    contents = read_contents(archive)
    if as_json:
        _print_json(_inspected(contents))
        return
    console = Console()
    packages = Table("package", "version", title=f"{len(contents.packages)} packages", title_justify="left")
    files = Table("file", title="Largest files", title_justify="left")
    for table in (packages, files):
        table.add_column("unzipped", justify="right")
    packages.add_column("zipped", justify="right")
    for package in contents.packages:
        packages.add_row(package.name, package.version, _mb(package.size), _mb(package.zipped_size))
    for path, size in contents.files[:_FILES_SHOWN]:
        files.add_row(path, _mb(size))
    console.print(packages, files, *_limits(contents), sep="\n", highlight=False)


def _plan(requirements: str, runtime: str, architecture: str, *, strict: bool) -> LayerPlan:
    target = Target.of(runtime, architecture)
    lockfile = read_lockfile(requirements, base=Path.cwd(), environ=os.environ)
    made = make_plan(lockfile, target, strict=strict)
    if warning := lock_warning(made):
        _warn(warning)
    return made


class _Terminal(Progress):
    """Progress as a line that changes on a terminal, or as plain lines elsewhere; always on stderr."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._status = console.status("Starting") if console.is_terminal else None

    def step(self, message: str) -> None:
        if self._status:
            self._status.update(message)
        else:
            click.echo(message, err=True)

    def warn(self, message: str) -> None:
        _warn(message)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Have the line on the terminal for the length of the block."""
        if not self._status:
            yield
            return
        with self._status:
            yield


@contextmanager
def _shown() -> Iterator[Progress]:
    progress = _Terminal(Console(stderr=True))
    with progress.shown():
        yield progress


def _built(made: LayerPlan, built: Built) -> dict[str, Any]:
    archive = built.archive
    return {
        "content_hash": made.content_hash(),
        "code_sha256": archive.zip.code_sha256,
        "zipped_size": archive.zip.size,
        "unpacked_size": archive.unpacked_size,
        "packages": archive.packages,
        "image_digest": archive.image_digest,
        "cached": built.cached,
        "stages": built.stages,
    }


def _inspected(contents: Contents) -> dict[str, Any]:
    return {
        "zipped_size": contents.zipped_size,
        "unpacked_size": contents.unpacked_size,
        "packages": [
            {"name": p.name, "version": p.version, "size": p.size, "zipped_size": p.zipped_size}
            for p in contents.packages
        ],
        "largest_files": [{"path": path, "size": size} for path, size in contents.files[:_FILES_SHOWN]],
        "limits_left": {
            "unpacked_size": UNZIPPED_LIMIT - contents.unpacked_size,
            "direct_upload": DIRECT_UPLOAD_LIMIT - contents.zipped_size,
        },
    }


def _limits(contents: Contents) -> Iterator[str]:
    for what, size, limit in (
        ("unzipped", contents.unpacked_size, UNZIPPED_LIMIT),
        ("zipped, for a direct upload", contents.zipped_size, DIRECT_UPLOAD_LIMIT),
    ):
        left = f"{_mb(limit - size)} left" if size <= limit else f"{_mb(size - limit)} too much"
        yield f"{_mb(size)} of {_mb(limit)} {what}: {left}"


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _print_json(value: Mapping[str, Any]) -> None:
    click.echo(json.dumps(value, indent=2))


def _warn(message: str) -> None:
    click.secho(f"warning: {message}", fg="yellow", err=True)


def _fail(error: LayerError) -> NoReturn:
    click.secho(f"error: {error}", fg="red", err=True)
    sys.exit(next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1))


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
