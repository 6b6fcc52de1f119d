"""pip's requirements file format: text in, `Lockfile` out."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from python_layer_provider.errors import LayerError, LockFileUnsupportedError
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
from python_layer_provider.lockfile.problem import Line, Problem
from python_layer_provider.lockfile.requirement import editable, not_a_requirement, parse_requirement

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
    lines = [Line(f"{label}[{i}]", line) for i, item in enumerate(items) for _, line in _logical_lines(item)]
    reader = _Reader(environ, read_text)
    reader.read(_File(""), lines)
    return reader.lockfile(label)


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    constraint: bool = False

    @property
    def key(self) -> tuple[str, bool]:
        return os.path.normpath(self.path), self.constraint


class _Reader:
    """Gathers what a file and those that it includes say, and all that is wrong with them."""

    def __init__(self, environ: Mapping[str, str], read_text: ReadText) -> None:
        self._environ = environ
        self._read_text = read_text
        self._pins: list[Pin] = []
        self._constraints: list[Pin] = []
        self._index = IndexBuilder()
        self._problems: list[LayerError] = []
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
        return Lockfile(label=label, pins=pins, constraints=constraints, index=self._index.frozen())

    def _try(self, line: Line) -> None:
        try:
            self._take(line)
        except Problem as problem:
            self._problems.append(problem.at(line))

    def _take(self, line: Line) -> None:
        head, tail = split(_expanded(line.raw, self._environ))
        hashes, options = parse_options(tail)
        if not head and options and options[0][0] == "--editable":
            head = editable(options.pop(0)[1])
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
        try:
            pin = parse_requirement(head, hashes, tuple(settings), line.where)
        # packaging's parser calls itself for each parenthesis of a marker.
        except (ValueError, RecursionError) as error:
            raise not_a_requirement(line.raw, error) from error
        (self._constraints if self._open[-1].constraint else self._pins).append(pin)

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
            text = self._read_text(file.path)
        except LayerError as error:
            what = "the file cannot be included" if "${" in line.raw else error.what
            raise Problem(what, hint=error.hint, kind=type(error)) from error
        self.read(file, _lines_of(text, file.path))

    def _refuse_cycle(self, file: _File) -> None:
        paths = [opened.key[0] for opened in self._open]
        if file.key[0] in paths:
            chain = [*paths[paths.index(file.key[0]) :], file.key[0]]
            raise Problem(f"the file includes itself ({' -> '.join(chain)})", hint="remove this line")
        if len(paths) > _DEEPEST:
            raise Problem(f"more than {_DEEPEST} files include each other", hint="include the last one from the first")


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
