"""What is wrong with a line of a lock file, in words that give no secret away."""

from __future__ import annotations

import re
from dataclasses import dataclass

from python_layer_provider.errors import LayerError, LockFileSyntaxError


@dataclass(frozen=True, slots=True)
class Line:
    """A logical line: continued lines joined, comment stripped."""

    where: str
    raw: str
    """As it stands in the file. Messages quote this and never a value of the environment."""


class Problem(Exception):  # noqa: N818
    """What is wrong with a line, before it is known which one."""

    def __init__(
        self, what: str, *, hint: str = "", excerpt: str = "", kind: type[LayerError] = LockFileSyntaxError
    ) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.excerpt = excerpt
        self.kind = kind

    def at(self, line: Line) -> LayerError:
        """The error, once the line is known; the text it quotes holds no secret."""
        # An excerpt may be a variable's value, or a part of a password that only the whole line shows to be one.
        secret = "${" in line.raw or masked(line.raw) != line.raw
        excerpt = line.raw if secret else self.excerpt or line.raw
        what = f"{line.where}: {self.what}: `{shown(excerpt)}`"
        return self.kind(what, hint=masked(self.hint), input_name="requirements")


_LONGEST = 120
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


def shown(text: str) -> str:
    """A text as a message quotes it: masked, and not too long."""
    text = masked(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
