"""pip's requirements file format: text in, `Lockfile` out."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from python_layer_provider.errors import InvalidInputError, LayerError, LockFileUnsupportedError
from python_layer_provider.lockfile.model import Lockfile, Pin
from python_layer_provider.lockfile.options import (
    ALONE,
    FORMATS,
    IndexBuilder,
    checked_setting,
    index_url_first,
    parse_options,
    split,
)
from python_layer_provider.lockfile.paths import NoProject, is_file
from python_layer_provider.lockfile.problem import Line, Problem
from python_layer_provider.lockfile.project import read_project
from python_layer_provider.lockfile.requirement import editable, not_a_requirement, parse_requirement
from python_layer_provider.lockfile.source import Source

_HOW_TO_GROUP = "requirements files have neither groups nor extras: name the file that holds what is wanted"


def parse_requirements(source: Source) -> Lockfile:
    """Parse a requirements file and the files that it includes.

    pip's own rules hold, with four differences: what pip drops without a word is an error, an unset
    environment variable is one too, tabs part words as blanks do, and what stands behind `-e`
    is an ordinary requirement, with marker and all, for nothing in a layer is editable.

    Raises:
        LockFileSyntaxError: Lines that cannot be read, all of them in one error.
        LockFileUnsupportedError: Includes by URL, options that a layer has no use for.
        LayerError: What `source.read` raises.
    """
    return _parsed(source, _lines_of(source.text, source.label), _File(source.label))


def parse_requirement_list(items: Sequence[str], source: Source) -> Lockfile:
    """Parse a list of lines as they may stand in a requirements file.

    Args:
        items: The lines; messages name them `requirements[0]` and so on.
        source: How messages name the list, and its surroundings; its text counts for nothing.

    Raises:
        LayerError: As `parse_requirements`.
    """
    numbered = enumerate(items)
    lines = [Line(f"{source.label}[{i}]", line) for i, item in numbered for _, line in _logical_lines(item)]
    return _parsed(source, lines, _File(""))


def _parsed(source: Source, lines: Iterable[Line], file: _File) -> Lockfile:
    for what in ("groups", "extras"):
        if getattr(source, what):
            raise InvalidInputError(f"`{source.label}` has no {what}", hint=_HOW_TO_GROUP, input_name=what)
    reader = _Reader(source)
    reader.read(file, lines)
    return reader.lockfile(source.label)


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    constraint: bool = False

    @property
    def key(self) -> tuple[str, bool]:
        return os.path.normpath(self.path), self.constraint


class _Reader:
    """Gathers what a file and those that it includes say, and all that is wrong with them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pins: list[Pin] = []
        self._constraints: list[Pin] = []
        self._index = IndexBuilder()
        self._problems: list[LayerError] = []
        self._warnings: list[str] = []
        self._open: list[_File] = []
        self._done: set[tuple[str, bool]] = set()

    def read(self, file: _File, lines: Iterable[Line]) -> None:
        self._open.append(file)
        for line in lines:
            self._try(line)
        self._open.pop()

    def lockfile(self, label: str) -> Lockfile:
        if self._problems:
            raise _all_in_one(self._problems, label)
        pins, constraints = tuple(self._pins), tuple(self._constraints)
        warnings = tuple(self._warnings)
        return Lockfile(label=label, pins=pins, constraints=constraints, index=self._index.frozen(), warnings=warnings)

    def _try(self, line: Line) -> None:
        try:
            self._take(line)
        except Problem as problem:
            self._problems.append(problem.at(line))

    def _take(self, line: Line) -> None:
        head, tail = split(_expanded(line.raw, self._source.environ))
        tail, marker = _marker_behind(tail) if not head else (tail, "")
        hashes, options = parse_options(tail)
        if not head and options and options[0][0] == "--editable":
            head = f"{editable(options.pop(0)[1])}{marker}"
        if head:
            self._pin(head, hashes, options, line)
        elif hashes:
            hint = "end the line before with a blank and a backslash"
            raise Problem("`--hash` belongs to no requirement", hint=hint)
        else:
            self._obey(options, line)

    def _pin(self, head: str, hashes: list[str], options: list[tuple[str, str]], line: Line) -> None:
        settings: list[str] = []
        for name, value in options:
            if name == "--config-settings":
                settings.append(checked_setting(value))
            elif name in FORMATS:
                # pip says that these are global, and yet obeys them here.
                self._index.take(name, value)
            else:
                raise Problem(f"`{name}` is for all requirements", hint="put it on a line of its own")
        pin = self._parsed(head, hashes, tuple(settings), line)
        if pin.path and self._open[-1].constraint:
            hint = "name it in a requirements file, where it counts as well"
            raise Problem("a path cannot be a constraint", hint=hint, kind=LockFileUnsupportedError)
        (self._constraints if self._open[-1].constraint else self._pins).append(pin)

    def _parsed(self, head: str, hashes: list[str], settings: tuple[str, ...], line: Line) -> Pin:
        try:
            pin = parse_requirement(head, hashes, settings, line.where, self._source.read)
        except NoProject as problem:
            if (beside := self._beside(problem.path)) and "${" not in line.raw:
                problem.hint = f"did you mean `{beside}`: relative paths start where the program is"
            raise
        except LayerError as error:
            raise _of_a_file(error, line) from error
        # packaging's parser calls itself for each parenthesis of a marker.
        except (ValueError, RecursionError) as error:
            raise not_a_requirement(line.raw, error) from error
        if pin.path and not is_file(pin.path) and (beside := self._beside(pin.path)):
            what = f"{line.where}: `{pin.path}` starts where the program is, as it starts where pip runs"
            self._warnings.append(f"{what}; the folder of that name beside the file is `{beside}`")
        return pin

    def _beside(self, path: str) -> str | None:
        """The project that the path would lead to if it started where the file is, where people may mean it."""
        folder = os.path.dirname(self._open[-1].path)  # noqa: PTH120
        beside = os.path.normpath(os.path.join(folder, path))  # noqa: PTH118
        found = beside != path and read_project(beside, self._source.read).exists
        return f"./{beside}" if found else None

    def _obey(self, options: Sequence[tuple[str, str]], line: Line) -> None:
        for name, value in sorted(options, key=index_url_first):
            if name in ALONE:
                if len(options) > 1:
                    raise Problem(f"pip takes nothing else on the line of `{name}`", hint="put each on its own line")
                self._include(value, line, constraint=name == "--constraint")
            elif name == "--config-settings":
                raise Problem(f"`{name}` belongs to no requirement", hint=f"name==1.0 {name} KEY=VALUE")
            else:
                self._index.take(name, value)

    def _include(self, path: str, line: Line, *, constraint: bool) -> None:
        if "://" in path or path.lower().startswith("file:"):
            hint = "download the file and include it by its path"
            raise Problem("included files are not fetched", hint=hint, kind=LockFileUnsupportedError)
        file = _File(os.path.join(os.path.dirname(self._open[-1].path), path), constraint)  # noqa: PTH118, PTH120
        self._refuse_cycle(file)
        if file.key in self._done:
            return
        self._done.add(file.key)
        try:
            text = self._source.read(file.path)
        except LayerError as error:
            raise _of_a_file(error, line) from error
        self.read(file, _lines_of(text, file.path))

    def _refuse_cycle(self, file: _File) -> None:
        paths = [opened.key[0] for opened in self._open]
        if file.key[0] in paths:
            chain = [*paths[paths.index(file.key[0]) :], file.key[0]]
            raise Problem(f"the file includes itself ({' -> '.join(chain)})", hint="remove this line")
        if len(paths) > _DEEPEST:
            raise Problem(f"more than {_DEEPEST} files include each other", hint="include the last one from the first")


def _of_a_file(error: LayerError, line: Line) -> Problem:
    """What is wrong with a file that a line names; its path may be a variable's value."""
    what = "the file that it names cannot be read" if "${" in line.raw else error.what
    return Problem(what, hint=error.hint, kind=type(error))


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

_EDITABLE_WITH_MARKER = re.compile(r"(?P<option>(?:-e|--e)[^;]*?)\s+(?P<marker>;.*)")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")


def _lines_of(text: str, path: str) -> Iterator[Line]:
    return (Line(f"{path}:{number}", line) for number, line in _logical_lines(text))


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


def _marker_behind(options: str) -> tuple[str, str]:
    """The options without the marker that uv writes behind the path of `-e`, and that marker, semicolon and all."""
    match = _EDITABLE_WITH_MARKER.match(options)
    if not match:
        return options, ""
    marker, rest = split(match["marker"])
    return f"{match['option']} {rest}", f" {marker}"


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
            raise Problem(f"the environment variable `{name}` is not set", hint=f"export {name}=…")
    return _VARIABLE.sub(lambda match: environ[match[1]], raw)
