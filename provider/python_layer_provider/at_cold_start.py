"""A function that installs its dependencies when it starts: what its code carries for that, and what cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit, urlunsplit

from python_layer_provider.errors import InvalidInputError, LockFileUnsupportedError
from python_layer_provider.estimate import estimated_size
from python_layer_provider.lockfile import IndexOptions, Pin
from python_layer_provider.pip_input import line, runs
from python_layer_provider.plan import LayerPlan, url_secrets

FOLDER = "pulumi_python_layer"
"""Where in the function's code the files are that install: the package that its code imports `ensure` from."""
HANDLER = f"{FOLDER}.bootstrap.handler"
"""The handler of the function, which installs and then is the program's own."""
DEFAULT_STORAGE = 512
"""MB that a function has in `/tmp` where the program says nothing else."""

_LOCKED = "requirements.txt"
_OTHERS = "without-hashes.txt"
_CONSTRAINTS = "constraints.txt"
# What `pip_at_indexes` takes for the index that pip would ask anyway.
_DEFAULT_INDEX = "-"
_LAYER = 'dependencies="layer"'
_WARNING = f"""\
`dependencies="at-cold-start"` is for development, not for production: each cold start pays for the install and needs \
the index, and what Lambda's 10 seconds of init cut off starts again in the first invocation
hint: timeout=60, memory_size=1769 while you try, {_LAYER} when it is to last"""


def check_travels(plan: LayerPlan) -> None:
    """See that a function can install the plan by itself.

    Raises:
        LockFileUnsupportedError: Something of it is on this machine alone, or behind credentials of a URL.
    """
    for pin in (*plan.pins, *plan.constraints):
        if pin.path:
            raise _stays(pin, f"is at `{pin.path}`, where a function cannot install it from")
        if pin.url and url_secrets(pin.url):
            raise _stays(pin, "is at a URL with credentials or a query, which a function's code is no place for")


def _stays(pin: Pin, why: str) -> LockFileUnsupportedError:
    return LockFileUnsupportedError(f"`{pin.name}` {why}: {pin.where}", hint=_LAYER, input_name="requirements")


def needed_space(plan: LayerPlan) -> int | None:
    """Bytes of `/tmp` that the install takes, downloads and all, roughly; None where the lock file tells no sizes."""
    unzipped = estimated_size(plan)
    return None if unzipped is None or plan.download_size is None else unzipped + plan.download_size


def check_space(plan: LayerPlan, storage: int) -> None:
    """See that the plan finds room in so many MB of `/tmp`.

    Raises:
        InvalidInputError: It does not.
    """
    needed = needed_space(plan)
    if needed is not None and needed > storage * 1024 * 1024:
        raise InvalidInputError(
            f"the dependencies take about {needed / 1e6:.0f} MB in /tmp, downloads and all; "
            f"the function has {storage} MB there",
            hint=f'ephemeral_storage={{"size": {_rounded_up(needed)}}}, or {_LAYER}',
            input_name="ephemeral_storage",
        )


def _rounded_up(size: int) -> int:
    """A number of MB with some room to spare."""
    return (size // (256 * 1024 * 1024) + 1) * 256


def warning(plan: LayerPlan) -> str:
    """What whoever deploys such a function should know."""
    return "\n".join([*_lacking(plan.pins), _WARNING])


def _lacking(pins: Sequence[Pin]) -> Iterator[str]:
    """What Lambda's runtimes lack to install some of the pins."""
    sources = [pin.name for pin in pins if pin.origin == "sdist"]
    checkouts = [pin.name for pin in pins if pin.origin in ("git", "hg", "svn", "bzr")]
    if sources:
        yield f"{_named(sources)} built from source at each cold start, and Lambda's runtimes have no compiler"
    if checkouts:
        yield f"{_named(checkouts)} checked out at each cold start, and Lambda's runtimes have no git"


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) + (" is" if len(names) == 1 else " are")


def carried(plan: LayerPlan, handler: str) -> dict[str, bytes]:
    """The files that the function's code carries, by their paths in it, beside `cold_start` and `pip_at_indexes`.

    None holds a credential: indexes stand there without, and the function's environment may name them with, as
    `PIP_INDEX_URL` and `PIP_EXTRA_INDEX_URL`.

    Args:
        plan: What is installed; `check_travels` has to have passed.
        handler: The program's own, as Lambda takes it.
    """
    texts = {
        "__init__.py": "",
        "bootstrap.py": _bootstrap(plan, handler),
        _LOCKED: _requirements(plan, hashed=True),
        _OTHERS: _requirements(plan, hashed=False),
        _CONSTRAINTS: "".join(f"{line(pin, pin.requirement)}\n" for pin in plan.constraints),
    }
    return {f"{FOLDER}/{name}": text.encode() for name, text in texts.items() if text or name == "__init__.py"}


def _bootstrap(plan: LayerPlan, handler: str) -> str:
    how = {
        "runs": list(runs(plan, locked=_LOCKED, others=_OTHERS, constraints=_CONSTRAINTS)),
        "needs": needed_space(plan),
        "indexes": asked_indexes(plan),
    }
    arguments = "".join(f"    {name}={value!r},\n" for name, value in how.items() if value)
    return (
        '"""Made by PythonFunction: installs the dependencies, and hands over to the handler."""\n\n'
        f"from {FOLDER}.cold_start import start\n\nhandler = start(\n    {handler!r},\n{arguments})\n"
    )


def asked_indexes(plan: LayerPlan) -> list[str]:
    """The indexes that the lock file names, without credentials, as `pip_at_indexes` takes them."""
    if plan.index.index_url:
        return [_bare(plan.index.index_url)]
    named = [_bare(index) for index in plan.indexes]
    all_named = all(pin.index or pin.url for pin in plan.pins)
    return [*named, *([] if all_named else [_DEFAULT_INDEX])] if named else []


def _requirements(plan: LayerPlan, *, hashed: bool) -> str:
    lines = [line(pin, pin.requirement) for pin in plan.pins if bool(pin.hashes) is hashed]
    return "".join(f"{text}\n" for text in [*_options(plan.index), *lines]) if lines else ""


def _options(index: IndexOptions) -> Iterator[str]:
    """What else the lock file tells pip; not the index, which on a line of its own would silence the environment's."""
    valued = {
        "--extra-index-url": map(_bare, index.extra_index_urls),
        "--find-links": map(_bare, index.find_links),
        "--trusted-host": index.trusted_hosts,
        "--no-binary": index.no_binary,
        "--only-binary": index.only_binary,
    }
    flags = {"--no-index": index.no_index, "--pre": index.pre, "--prefer-binary": index.prefer_binary}
    yield from (f"{option} {value}" for option, values in valued.items() for value in values)
    yield from (option for option, given in flags.items() if given)


def _bare(url: str) -> str:
    """A URL without user, password and query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
