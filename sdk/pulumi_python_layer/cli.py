"""The command line: plan, build and inspect layers without Pulumi."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console
from rich.table import Table

from python_layer_provider.build import Built, build_layer, workspace
from python_layer_provider.build import cache as layer_cache
from python_layer_provider.build.cache import Kept
from python_layer_provider.changes import package_changes
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
from python_layer_provider.estimate import estimated_size, size_line
from python_layer_provider.limits import DIRECT_UPLOAD_LIMIT, UNZIPPED_LIMIT
from python_layer_provider.lockfile import read_lockfile
from python_layer_provider.plan import LayerPlan
from python_layer_provider.planning import plan_layer
from python_layer_provider.progress import Progress
from python_layer_provider.record import recorded
from python_layer_provider.settings import DEFAULT_TIMEOUT, IMAGE_VARIABLE, BuildSettings, image_template
from python_layer_provider.target import ARCHITECTURES, DEFAULT_ARCHITECTURE, DEFAULT_RUNTIME, RUNTIMES, Target

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
# How much of a content hash tells layers apart, and how many of a layer's packages do.
_HASH_SHOWN = 14
_NAMES_SHOWN = 5
_DAY = 24 * 3600


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXIT_HELP)
@click.version_option(version("pulumi-python-layer"))
def main() -> None:
    """Locked Python dependencies as an AWS Lambda layer."""
    # An ordinary end, so that the container is removed on the way out.
    signal.signal(signal.SIGTERM, _terminate)


_requirements = click.option(
    "-r",
    "--requirements",
    required=True,
    metavar="PATH",
    help="The lock file, a folder that holds one, or a member of a uv workspace.",
)


def _planning(command: _Command) -> _Command:
    """The options that say what goes into a layer."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--strict", is_flag=True, help="Refuse what is not locked, and a lock older than its project."),
        click.option(
            "--omit-runtime-packages", is_flag=True, help="Leave out boto3 and what else Lambda's runtime has anyway."
        ),
        click.option("--extra", "extras", multiple=True, metavar="NAME", help="An extra of the project; repeatable."),
        click.option(
            "--group",
            "groups",
            multiple=True,
            metavar="NAME",
            help="A dependency group, Pipfile: category; repeatable.",
        ),
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
@_requirements
@click.option("--against", metavar="PATH", help="Show what changes from this lock file.")
@_clean
def plan(*, requirements: str, against: str | None, as_json: bool, **options: Any) -> None:
    """Show what a layer will hold; needs no container engine and no network."""
    made = _plan(requirements, **options)
    if against is not None:
        _show_changes(_plan(against, **options, warn=False), made, as_json=as_json)
    elif as_json:
        _print_json(_planned(made))
    else:
        _show_plan(made)


@main.command()
@_planning
@click.argument("old")
@click.argument("new")
@_clean
def diff(*, old: str, new: str, as_json: bool, **options: Any) -> None:
    """Show what changes in a layer from one lock file to another, whatever their formats."""
    _show_changes(_plan(old, **options, warn=False), _plan(new, **options), as_json=as_json)


@main.command()
@_planning
@_requirements
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
def build(
    *,
    requirements: str,
    as_json: bool,
    output: Path,
    image: str | None,
    timeout: float,
    no_cache: bool,
    **options: Any,
) -> None:
    """Build a layer's zip, as an update of the stack would."""
    made = _plan(requirements, **options)
    images = image_template(image, os.environ)
    settings = BuildSettings(image_template=images, timeout=timeout, use_cache=not no_cache)
    with workspace() as folder, _shown() as progress, recorded("build", progress) as record:
        record.fact(content_hash=made.content_hash())
        built = build_layer(made, settings, folder, progress)
        record.fact(
            origin="cache" if built.cached else "build", stages=built.stages, zipped_size=built.archive.zip.size
        )
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


@main.command()
@click.option(
    "--prune",
    "days",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Remove the layers that nobody has asked for in so many days; 0 removes all.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_clean
def cache(*, days: float | None, as_json: bool) -> None:
    """Show the finished layers that this machine keeps, or remove some."""
    layers = layer_cache.kept() if days is None else layer_cache.remove(days * _DAY)
    if as_json:
        _print_json({"folder": str(layer_cache.cache_folder()), "layers": [_kept(layer) for layer in layers]})
        return
    size = _mb(sum(layer.size for layer in layers))
    if days is not None:
        click.echo(f"{len(layers)} layers removed, {size}")
        return
    table = Table("layer", "last used", "packages", title=str(layer_cache.cache_folder()), title_justify="left")
    table.add_column("zipped", justify="right")
    for layer in layers:
        used = datetime.fromtimestamp(layer.used).astimezone().strftime("%Y-%m-%d %H:%M")
        table.add_row(layer.content_hash[:_HASH_SHOWN], used, _names(layer), _mb(layer.size))
    total = f"{len(layers)} layers, {size} of {_mb(layer_cache.LIMIT)}"
    Console().print(table, total, sep="\n", highlight=False)


def _kept(layer: Kept) -> dict[str, Any]:
    return {
        "content_hash": layer.content_hash,
        "zipped_size": layer.size,
        "last_used": datetime.fromtimestamp(layer.used, timezone.utc).isoformat(timespec="seconds"),
        "packages": layer.packages,
    }


def _names(layer: Kept) -> str:
    shown = ", ".join(list(layer.packages)[:_NAMES_SHOWN])
    return f"{shown}, …" if len(layer.packages) > _NAMES_SHOWN else shown


def _plan(
    requirements: str,
    *,
    runtime: str,
    architecture: str,
    groups: Sequence[str],
    extras: Sequence[str],
    strict: bool,
    omit_runtime_packages: bool,
    warn: bool = True,
) -> LayerPlan:
    target = Target.of(runtime, architecture)
    base = Path.cwd()
    lockfile = read_lockfile(requirements, base=base, environ=os.environ, groups=groups, extras=extras)
    planned = plan_layer(lockfile, target, base=base, strict=strict, omit_runtime_packages=omit_runtime_packages)
    for warning in planned.warnings if warn else ():
        _warn(warning)
    return planned.plan


def _show_plan(made: LayerPlan) -> None:
    target = made.target
    title = f"{len(made.pins)} packages for {target.runtime} on {target.architecture}"
    table = Table("package", "version", "from", title=title, title_justify="left")
    sizes = {pin.name: file.size for pin in made.pins for file in pin.files if file.size is not None}
    # Requirements files, Poetry and pipenv tell none.
    for heading in ("size", "hashes") if sizes else ("hashes",):
        table.add_column(heading, justify="right")
    for pin in made.pins:
        size = [_mb(sizes[pin.name]) if pin.name in sizes else ""] if sizes else []
        table.add_row(pin.name, made.packages[pin.name], pin.origin, *size, str(len(pin.hashes) or "none"))
    omitted = ", ".join(f"{pin.name} {pin.version or ''}".strip() for pin in made.omitted)
    lines = [size_line(made), f"left to the runtime: {omitted}" if omitted else ""]
    Console().print(
        table,
        *filter(None, lines),
        f"content hash {made.content_hash()}",
        sep="\n",
        soft_wrap=True,
        highlight=False,
    )


def _planned(made: LayerPlan) -> dict[str, Any]:
    return {
        "content_hash": made.content_hash(),
        "runtime": made.target.runtime,
        "architecture": made.target.architecture,
        "locked": made.reproducible,
        "packages": made.packages,
        "omitted": {pin.name: pin.version for pin in made.omitted},
        "estimated_size": estimated_size(made),
    }


def _show_changes(old: LayerPlan, new: LayerPlan, *, as_json: bool) -> None:
    changes = package_changes(old.packages, new.packages)
    same = old.content_hash() == new.content_hash()
    if as_json:
        packages = {change.name: {"old": change.old, "new": change.new} for change in changes}
        _print_json({"same": same, "packages": packages})
        return
    if not changes:
        click.echo("no change" if same else "the same packages with other files: the layer is published anew")
        return
    table = Table("", "package", "old", "new")
    for change in changes:
        sign = "+" if change.old is None else "-" if change.new is None else "~"
        table.add_row(sign, change.name, change.old or "", change.new or "")
    Console().print(table, highlight=False)


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
