"""pip's requirements file format: text in, `Lockfile` out."""

from __future__ import annotations

import difflib
import functools
import os.path
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name, parse_sdist_filename, parse_wheel_filename

from python_layer_provider.errors import LayerError, LockFileSyntaxError, LockFileUnsupportedError
from python_layer_provider.lockfile.model import IndexOptions, Lockfile, Pin

ReadText = Callable[[str], str]
"""The text of an included file, by its path; raises a `LayerError` where there is none."""


def parse_requirements(text: str, *, label: str, environ: Mapping[str, str], read_text: ReadText) -> Lockfile:
    """Parse a requirements file and the files that it includes.

    pip's own rules hold, with four differences: what pip drops without a word is an error, an unset
    environment variable is one too, tabs part words as blanks do, and a VCS requirement with `-e`
    is an ordinary one, for nothing in a layer is editable.

    Args:
        text: The file's text.
        label: The file's path as messages name it; included paths are relative to its folder.
        environ: What `${NAME}` stands for.
        read_text: Gives the text of an included file.

    Raises:
        LockFileSyntaxError: Lines that cannot be read, all of them in one error.
        LockFileUnsupportedError: Local paths, includes by URL, options that a layer has no use for.
        LayerError: What `read_text` raises.
    """
    reader = _Reader(environ, read_text)
    reader.read(_File(label), _lines_of(text, label))
    return reader.lockfile(label)


def parse_requirement_list(
    items: Sequence[str], *, environ: Mapping[str, str], read_text: ReadText, label: str = "requirements"
) -> Lockfile:
    """Parse a list of lines as they may stand in a requirements file.

    Args:
        items: The lines; messages name them `requirements[0]` and so on.
        environ: What `${NAME}` stands for.
        read_text: Gives the text of a file that an item includes.
        label: How messages name the list.

    Raises:
        LayerError: As `parse_requirements`.
    """
    lines = [_Line(f"{label}[{i}]", line) for i, item in enumerate(items) for _, line in _logical_lines(item)]
    reader = _Reader(environ, read_text)
    reader.read(_File(""), lines)
    return reader.lockfile(label)


@dataclass(frozen=True, slots=True)
class _Line:
    """A logical line: continued lines joined, comment stripped."""

    where: str
    raw: str
    """As it stands in the file. Messages quote this and never a value of the environment."""


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    constraint: bool = False

    @property
    def key(self) -> tuple[str, bool]:
        return os.path.normpath(self.path), self.constraint


class _Problem(Exception):  # noqa: N818
    """What is wrong with a line, before it is known which one."""

    def __init__(
        self, what: str, *, hint: str = "", excerpt: str = "", kind: type[LayerError] = LockFileSyntaxError
    ) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.excerpt = excerpt
        self.kind = kind

    def at(self, line: _Line) -> LayerError:
        # An excerpt may be a variable's value, or a part of a password that only the whole line shows to be one.
        secret = "${" in line.raw or masked(line.raw) != line.raw
        excerpt = line.raw if secret else self.excerpt or line.raw
        what = f"{line.where}: {self.what}: `{_shown(excerpt)}`"
        return self.kind(what, hint=masked(self.hint), input_name="requirements")


class _Reader:
    """Gathers what a file and those that it includes say, and all that is wrong with them."""

    def __init__(self, environ: Mapping[str, str], read_text: ReadText) -> None:
        self._environ = environ
        self._read_text = read_text
        self._pins: list[Pin] = []
        self._constraints: list[Pin] = []
        self._index = _Index()
        self._problems: list[LayerError] = []
        self._open: list[_File] = []
        self._done: set[tuple[str, bool]] = set()

    def read(self, file: _File, lines: Iterable[_Line]) -> None:
        self._open.append(file)
        for line in lines:
            self._try(line)
        self._open.pop()

    def lockfile(self, label: str) -> Lockfile:
        if self._problems:
            raise _all_in_one(self._problems, label)
        pins, constraints = tuple(self._pins), tuple(self._constraints)
        return Lockfile(label=label, pins=pins, constraints=constraints, index=self._index.frozen())

    def _try(self, line: _Line) -> None:
        try:
            self._take(line)
        except _Problem as problem:
            self._problems.append(problem.at(line))

    def _take(self, line: _Line) -> None:
        head, tail = _split(_expanded(line.raw, self._environ))
        hashes, options = _options(tail)
        if not head and options and options[0][0] == "--editable":
            head = _editable(options.pop(0)[1])
        if head:
            self._pin(head, hashes, options, line)
        elif hashes:
            hint = "end the line before with a blank and a backslash"
            raise _Problem("`--hash` belongs to no requirement", hint=hint)
        else:
            self._obey(options, line)

    def _pin(self, head: str, hashes: list[str], options: list[tuple[str, str]], line: _Line) -> None:
        settings: list[str] = []
        for name, value in options:
            if name == "--config-settings":
                settings.append(_setting(value))
            elif name in _FORMATS:
                # pip says that these are global, and yet obeys them here.
                self._index.take(name, value)
            else:
                raise _Problem(f"`{name}` is for all requirements", hint="put it on a line of its own")
        try:
            pin = _pin(head, hashes, tuple(settings), line.where)
        # packaging's parser calls itself for each parenthesis of a marker.
        except (ValueError, RecursionError) as error:
            raise _not_a_requirement(line.raw, error) from error
        (self._constraints if self._open[-1].constraint else self._pins).append(pin)

    def _obey(self, options: Sequence[tuple[str, str]], line: _Line) -> None:
        for name, value in sorted(options, key=_index_url_first):
            if name in _ALONE:
                if len(options) > 1:
                    raise _Problem(f"pip takes nothing else on the line of `{name}`", hint="put each on its own line")
                self._include(value, line, constraint=name == "--constraint")
            elif name == "--config-settings":
                raise _Problem(f"`{name}` belongs to no requirement", hint=f"name==1.0 {name} KEY=VALUE")
            else:
                self._index.take(name, value)

    def _include(self, path: str, line: _Line, *, constraint: bool) -> None:
        if "://" in path or path.lower().startswith("file:"):
            hint = "download the file and include it by its path"
            raise _Problem("included files are not fetched", hint=hint, kind=LockFileUnsupportedError)
        file = _File(os.path.join(os.path.dirname(self._open[-1].path), path), constraint)  # noqa: PTH118, PTH120
        self._refuse_cycle(file)
        if file.key in self._done:
            return
        self._done.add(file.key)
        try:
            text = self._read_text(file.path)
        except LayerError as error:
            what = "the file cannot be included" if "${" in line.raw else error.what
            raise _Problem(what, hint=error.hint, kind=type(error)) from error
        self.read(file, _lines_of(text, file.path))

    def _refuse_cycle(self, file: _File) -> None:
        paths = [opened.key[0] for opened in self._open]
        if file.key[0] in paths:
            chain = [*paths[paths.index(file.key[0]) :], file.key[0]]
            raise _Problem(f"the file includes itself ({' -> '.join(chain)})", hint="remove this line")
        if len(paths) > _DEEPEST:
            raise _Problem(f"more than {_DEEPEST} files include each other", hint="include the last one from the first")


_DEEPEST = 50
_SHOWN = 10


def _all_in_one(problems: Sequence[LayerError], label: str) -> LayerError:
    if len(problems) == 1:
        return problems[0]
    lines = [line for problem in problems[:_SHOWN] for line in (problem.what, f"  hint: {problem.hint}")]
    if len(problems) > _SHOWN:
        lines.append(f"and {len(problems) - _SHOWN} more")
    return type(problems[0])(
        f"`{label}` has {len(problems)} lines that cannot be read",
        detail="\n".join(line for line in lines if line != "  hint: "),
        input_name="requirements",
    )


# --- from text to logical lines, by pip's rules ---
# https://pip.pypa.io/en/stable/reference/requirements-file-format/#structure

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")


def _lines_of(text: str, path: str) -> Iterator[_Line]:
    return (_Line(f"{path}:{number}", line) for number, line in _logical_lines(text))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The number of its first physical line, and the line; empty ones are left out."""
    first = 0
    parts: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        comment = "#" in line and line.lstrip().startswith("#")
        first = first if parts else number
        # A comment ends a continued line, whatever it ends in itself.
        if line.endswith("\\") and not comment:
            parts.append(line.strip("\\"))
            continue
        joined = _without_comment("".join([*parts, " ", line] if comment else [*parts, line]))
        parts = []
        if joined:
            yield first, joined
    if last := _without_comment("".join(parts)):
        yield first, last


def _without_comment(line: str) -> str:
    start = line.find("#")
    while start > 0 and not line[start - 1].isspace():
        start = line.find("#", start + 1)
    return line[:start].strip() if start >= 0 else line.strip()


def _expanded(raw: str, environ: Mapping[str, str]) -> str:
    if "${" not in raw:
        return raw
    for name in _VARIABLE.findall(raw):
        # pip leaves it as it stands, and then asks a host named `${NAME}`.
        if not environ.get(name):
            raise _Problem(f"the environment variable `{name}` is not set", hint=f"export {name}=…")
    return _VARIABLE.sub(lambda match: environ[match[1]], raw)


# --- options ---

_SHORT = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-C": "--config-settings",
}
_ALIASES = {"--pypi-url": "--index-url"}
_FORMATS = frozenset({"--no-binary", "--only-binary"})
_ALONE = frozenset({"--requirement", "--constraint", "--editable"})
_FLAGS = frozenset({"--no-index", "--pre", "--prefer-binary", "--require-hashes"})
# `--use-feature` names experiments of one pip, which is not the one that builds the layer: it is read and dropped.
_VALUED = frozenset({"--extra-index-url", "--trusted-host", "--use-feature", *_SHORT.values(), "--hash", *_FORMATS})
_OPTIONS = {name: name for name in sorted(_FLAGS | _VALUED)} | _ALIASES
_UNSUPPORTED = {
    "--global-option": "pass it to the build backend: --config-settings KEY=VALUE",
    "--install-option": "pass it to the build backend: --config-settings KEY=VALUE",
    "--all-releases": "--pre takes all releases",
    "--only-final": "remove it",
    "--no-deps-for": "remove it",
}
_SHA256_ONLY = re.compile(r"(?:--hash=sha256:[0-9a-f]{64}(?:\s+|$))+")
_OPTION_START = re.compile(r"(?:^|\s)(?=-)")


def _split(text: str) -> tuple[str, str]:
    """A line's requirement, and its options."""
    match = _OPTION_START.search(text)
    return (text[: match.start()].rstrip(), text[match.end() :]) if match else (text, "")


def _options(text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The hashes, and all other options."""
    # Nearly all lines with options are of this kind, and have twenty of them.
    if _SHA256_ONLY.fullmatch(text):
        return text.replace("--hash=", "").split(), []
    tokens = iter(_tokens(text))
    hashes: list[str] = []
    options: list[tuple[str, str]] = []
    for token in tokens:
        name, value = _option(token)
        if value is None:
            value = next(tokens, None)
        if value is None:
            raise _Problem(f"`{name}` needs a value", excerpt=token)
        if name == "--hash":
            hashes.append(_hash(value))
        else:
            options.append((name, value))
    return hashes, options


def _tokens(text: str) -> list[str]:
    if not any(mark in text for mark in "\"'\\"):
        return text.split()
    try:
        return shlex.split(text)
    except ValueError as error:
        raise _Problem("a quote is not closed", excerpt=text) from error


def _option(token: str) -> tuple[str, str | None]:
    """An option's name, and its value where that does not follow as the next token."""
    if token in ("-", "--") or not token.startswith("-"):
        hint = "a marker stands before the options" if token.startswith(";") else "put each requirement on its own line"
        raise _Problem("unexpected text after an option", hint=hint, excerpt=token)
    if not token.startswith("--"):
        if token[:2] not in _SHORT:
            raise _unknown_option(token)
        return _SHORT[token[:2]], token[2:] or None
    given, equals, value = token.partition("=")
    name = _long_option(given)
    if name not in _FLAGS:
        return name, value if equals else None
    if equals:
        raise _Problem(f"`{name}` takes no value", hint=name, excerpt=token)
    return name, ""


def _long_option(given: str) -> str:
    if given in _OPTIONS:
        return _OPTIONS[given]
    if given in _UNSUPPORTED:
        what = f"`{given}` is not supported"
        raise _Problem(what, hint=_UNSUPPORTED[given], excerpt=given, kind=LockFileUnsupportedError)
    # pip takes any beginning that is unambiguous, and files in the wild lean on it.
    meant = {name for option, name in _OPTIONS.items() if option.startswith(given)}
    if len(meant) != 1:
        raise _unknown_option(given)
    return meant.pop()


def _unknown_option(given: str) -> _Problem:
    close = difflib.get_close_matches(given, _OPTIONS, n=1, cutoff=0.8)
    hint = f"did you mean `{close[0]}`" if close else "remove it; options of the command line do not count here"
    return _Problem("not an option of requirements files", hint=hint, excerpt=given)


def _index_url_first(option: tuple[str, str]) -> bool:
    # Within one line pip sets the index before it adds to it, whatever stands first.
    return option[0] != "--index-url"


@dataclass(slots=True)
class _Index:
    """`IndexOptions` in the making."""

    index_url: str | None = None
    extra_index_urls: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    trusted_hosts: list[str] = field(default_factory=list)
    no_binary: set[str] = field(default_factory=set)
    only_binary: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)

    def take(self, name: str, value: str) -> None:
        match name:
            case "--index-url":
                self.index_url = _index_url(name, value)
                # So does pip: a later index takes the place of all that were named before.
                self.extra_index_urls.clear()
            case "--extra-index-url":
                self.extra_index_urls.append(_index_url(name, value))
            case "--find-links":
                self.find_links.append(_index_url(name, value))
            case "--trusted-host":
                self.trusted_hosts.append(value)
            case "--no-binary":
                _restrict(name, value, self.no_binary, self.only_binary)
            case "--only-binary":
                _restrict(name, value, self.only_binary, self.no_binary)
            case _:
                self.flags.add(name)

    def frozen(self) -> IndexOptions:
        no_index = "--no-index" in self.flags
        return IndexOptions(
            index_url=None if no_index else self.index_url,
            extra_index_urls=() if no_index else tuple(dict.fromkeys(self.extra_index_urls)),
            find_links=tuple(dict.fromkeys(self.find_links)),
            trusted_hosts=tuple(dict.fromkeys(self.trusted_hosts)),
            no_index=no_index,
            pre="--pre" in self.flags,
            prefer_binary="--prefer-binary" in self.flags,
            require_hashes="--require-hashes" in self.flags,
            no_binary=tuple(sorted(self.no_binary)),
            only_binary=tuple(sorted(self.only_binary)),
        )


def _restrict(option: str, value: str, target: set[str], other: set[str]) -> None:
    """Add names to one of the two sets and take them from the other, as pip does."""
    if value.startswith("-"):
        raise _Problem(f"`{option}` needs a value", hint=f"{option} :all:", excerpt=value)
    everything = False
    for name in filter(None, (part.strip() for part in value.split(","))):
        if name == ":all:":
            everything = True
            other.clear()
            target.clear()
            target.add(name)
        elif name == ":none:":
            everything = False
            target.clear()
        elif not everything:
            other.discard(canonicalize_name(name))
            target.add(canonicalize_name(name))


def _index_url(name: str, value: str) -> str:
    if _WEB.match(value):
        _checked_url(value)
        return value
    what = f"`{name}` takes an address that the build can reach"
    raise _Problem(what, hint=f"{name} https://…", excerpt=value, kind=LockFileUnsupportedError)


# --- requirements ---

_WEB = re.compile(r"https?://", re.IGNORECASE)
_URL = re.compile(r"(?:(?:git|hg|svn|bzr)\+[a-z]+|https?)://", re.IGNORECASE)
_VCS = re.compile(r"(?:git|hg|svn|bzr)\+", re.IGNORECASE)
_ARCHIVE = r"\.(?:whl|zip|tar|tgz|tbz|txz|tlz|tar\.(?:gz|bz2|xz|lz|lzma))"
_LOCAL = re.compile(
    rf"""
    \.{{1,2}}(?:$|[/\\\[;\s])       # . ./x .[extra]
    | ~?[/\\] | [A-Za-z]:[/\\]      # /x ~/x C:\x
    | (?:[a-z]+\+)?file:            # file:///x git+file:///x
    | [^\s=<>!@:;]*[/\\]            # vendor/x
    | [^\s=<>!@:;/]+{_ARCHIVE}(?:\[[^\]]*\])?\s*(?:$|;)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_HASH = re.compile(r"sha256:[0-9a-fA-F]{64}|sha384:[0-9a-fA-F]{96}|sha512:[0-9a-fA-F]{128}")
_HASH_DIGITS = "sha256 with 64 hexadecimal digits, sha384 with 96, sha512 with 128"


def _pin(head: str, hashes: Iterable[str], settings: tuple[str, ...], where: str) -> Pin:
    _refuse_local(head)
    requirement, marker = _requirement(head)
    name = canonicalize_name(requirement.name)
    if requirement.url:
        version, url, found = _direct(requirement.url, name)
        hashes = [*hashes, *found]
    else:
        version, url = _version(requirement.specifier), None
        _refuse_file_name(requirement)
    return Pin(
        name=name,
        version=version,
        specifier=str(requirement.specifier),
        url=url,
        extras=tuple(sorted({canonicalize_name(extra) for extra in requirement.extras})),
        marker=marker,
        hashes=tuple(sorted(set(hashes))),
        config_settings=settings,
        where=where,
    )


def _requirement(head: str) -> tuple[Requirement, str | None]:
    # pip splits here as well, and only in a URL that stands alone does it leave a semicolon without a blank.
    alone = _URL.match(head)
    text, _, marker = head.partition("; " if alone else ";")
    return Requirement(_named(text.strip()) if alone else text), _marker(marker) if marker.strip() else None


@functools.lru_cache(maxsize=1024)
def _marker(text: str) -> str:
    # Half of the time that a lock file takes went into the same few markers.
    return str(Marker(text))


def _hash(value: str) -> str:
    if not _HASH.fullmatch(value):
        raise _Problem("not a hash that pip takes", hint=f"use {_HASH_DIGITS}", excerpt=value)
    return value.lower()


def _setting(value: str) -> str:
    if "=" not in value:
        raise _Problem("not a setting", hint="--config-settings KEY=VALUE", excerpt=value)
    return value


def _editable(value: str) -> str:
    if not (_VCS.match(value) and _URL.match(value)):
        raise _path_dependency()
    return value


def _refuse_local(head: str) -> None:
    if _LOCAL.match(head):
        raise _path_dependency()


def _path_dependency() -> _Problem:
    return _Problem(
        "path dependencies are not supported yet",
        hint="publish it and pin it, or build a wheel and name its URL: `name @ https://…/name-1.0-py3-none-any.whl`; "
        "to leave out your own project: `uv export --no-emit-project`",
        kind=LockFileUnsupportedError,
    )


def _refuse_file_name(requirement: Requirement) -> None:
    if not requirement.specifier and requirement.name.lower().endswith((".txt", ".in", ".toml", ".lock")):
        raise _Problem("a file, not a requirement", hint=f"-r {requirement.name}")


def _version(specifier: SpecifierSet) -> str | None:
    """The one version that a specifier admits: `==2.*` names none, `===` any text."""
    exact = [part for part in specifier if part.operator in ("==", "===")]
    versions = {part.version for part in exact if part.operator == "===" or not part.version.endswith(".*")}
    if len(versions) > 1:
        raise _Problem("pinned to two versions", hint="keep one of them")
    return versions.pop() if versions else None


def _named(url: str) -> str:
    """`name @ url` for a URL that stands alone, which has its name in `#egg=` or in the file's name."""
    if ";" in url or " " in url:
        raise _Problem("unexpected text after a URL", hint="part them by a blank, a semicolon and a blank")
    if egg := re.search(r"[#&]egg=([^&#]+)", url):
        return f"{egg[1]} @ {url}"
    file = _name_and_version(url)
    if not file:
        raise _Problem("a URL without a name", hint="write the distribution's name before it: `name @ https://…`")
    return f"{file[0]} @ {url}"


def _direct(url: str, name: NormalizedName) -> tuple[str | None, str, list[str]]:
    """The version that a URL's file name tells, the URL without what pip no longer needs, and its hashes."""
    if _LOCAL.match(url) or not _URL.match(url):
        raise _foreign_url(url)
    _checked_url(url)
    if url.endswith("]"):
        raise _Problem("extras stand behind the URL", hint=f"{name}[…] @ https://…")
    base, _, fragment = url.partition("#")
    # pip finds a hash behind a second `#` as well.
    parts = [part for part in re.split("[#&]", fragment) if part]
    hashes = [_hash(part.replace("=", ":", 1)) for part in parts if part.startswith(("sha256=", "sha384=", "sha512="))]
    # pip takes the name from before the `@`, and warns of one that stands here as well.
    kept = "&".join(part for part in parts if not part.startswith("egg="))
    found, version = _name_and_version(url) or (name, None)
    if found != name and base.endswith(".whl"):
        raise _Problem("the wheel at this URL is of another distribution", hint=f"{found} @ https://…")
    return version if found == name else None, f"{base}#{kept}" if kept else base, hashes


def _name_and_version(url: str) -> tuple[NormalizedName, str] | None:
    """What a file's name tells: a wheel always, an sdist where it keeps to the standard, a repository nothing."""
    if _VCS.match(url):
        return None
    filename = unquote(urlsplit(url).path.rpartition("/")[2])
    if filename.endswith(".whl"):
        try:
            name, version, _, _ = parse_wheel_filename(filename)
        except ValueError as error:
            raise _Problem("not the name of a wheel", hint="name-1.0-py3-none-any.whl", excerpt=filename) from error
        return name, str(version)
    try:
        name, version = parse_sdist_filename(filename)
    except ValueError:
        return None
    return name, str(version)


def _checked_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete or any(character.isspace() for character in url):
        hint = "after the host comes a slash: `git+ssh://git@host/path`" if "ssh://" in url else ""
        raise _Problem("not a URL", hint=hint)


def _foreign_url(url: str) -> _Problem:
    if _LOCAL.match(url) or ":" not in url:
        return _path_dependency()
    hint = "pip takes `https://…`, `git+https://…`, `git+ssh://git@host/path` and their like"
    return _Problem("no such kind of URL", hint=hint, kind=LockFileUnsupportedError)


# --- messages ---

_LINE = 120
_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?)"
_LIKELY = tuple(
    (re.compile(pattern), hint)
    for pattern, hint in (
        (r"<{7}|={7}|>{7}", "resolve the merge conflict"),
        (r"(?:python[\d.]* -m )?pip[\d.]* ", "name what `pip install` is given, without the command"),
        (
            rf"{_NAME}\s*(?:=|\^|~)\s*(?P<version>\d[^\s;,=]*)\s*(?P<rest>;.*)?$",
            "did you mean `{name}=={version}{rest}`",
        ),
        (rf"{_NAME}\s+(?P<version>\d[^\s;,=]*)\s*(?P<rest>;.*)?$", "did you mean `{name}=={version}{rest}`"),
        (rf"{_NAME}=(?P<version>\d[^\s;,=]*)=\S+$", "that is conda's; did you mean `{name}=={version}`"),
        (rf"{_NAME}\s*=\s*[\"'{{]", "that is TOML; did you mean `{name}==…`"),
        (rf"{_NAME}\s*[=~<>!]=?\s*[^\s;,]+,?\s+[A-Za-z]", "put each requirement on its own line"),
        (r"(?P<name>[\w.-]+)(?P<version>==[^\s\[;]+)(?P<extra>\[[^\]]*\])", "did you mean `{name}{extra}{version}`"),
        (r"(?P<vcs>git\+)?git@(?P<host>[^:/\s]+):(?P<path>\S+)", "did you mean `git+ssh://git@{host}/{path}`"),
        (r"(?P<url>git://\S+|ssh://\S+)", "did you mean `git+{url}`"),
    )
)


def _not_a_requirement(raw: str, error: Exception) -> _Problem:
    head, _ = _split(raw)
    reason = str(error).partition("\n")[0]
    # The other messages of packaging quote what they were given.
    what = (
        f"not a requirement ({reason[0].lower()}{reason[1:]})"
        if reason.startswith("Expected ")
        else "not a requirement"
    )
    for pattern, hint in _LIKELY:
        if match := pattern.match(head):
            groups = {name: value or "" for name, value in match.groupdict().items()}
            return _Problem("not a requirement", hint=hint.format(**groups), excerpt=head)
    return _Problem(what, hint=f"requirements are written as in {_SPECIFICATION}", excerpt=head)


_SPECIFICATION = "https://packaging.python.org/en/latest/specifications/dependency-specifiers/"
# What stands before the last `@`, which may be one of the password; then the same where a raw `/`, `#` or blank
# in the password hides the first, or a comment cut it off; then a query, in which storage services put signatures.
_CREDENTIALS = (
    (re.compile(r"://(?!git@)[^\s/?#@]*@(?:.*@)?"), "://****@"),
    (re.compile(r"://[^\s/?#@\[]*:(?!\d{1,5}(?:[/?#\s\"'`]|$))(?:.*@|\S*)"), "://****@"),
    (re.compile(r"(://[^\s?#]*\?)[^\s#]+"), r"\1****"),
)


def masked(text: str) -> str:
    """A text for a message: what may be a credential in its URLs stands as `****`."""
    for pattern, mask in _CREDENTIALS:
        text = pattern.sub(mask, text)
    return text


def _shown(text: str) -> str:
    text = masked(text)
    return text if len(text) <= _LINE else f"{text[:_LINE]}…"
