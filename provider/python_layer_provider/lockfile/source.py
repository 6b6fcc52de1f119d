"""A lock file's text, and what a format may ask of its surroundings."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from packaging.utils import canonicalize_name

from python_layer_provider.errors import InvalidInputError, LockFileNotFoundError


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What a format's reader is given."""

    label: str
    """The file's path, as it was given and as messages name it."""
    text: str
    environ: Mapping[str, str]
    """What `${NAME}` stands for."""
    read: Callable[[str], str]
    """The text of a file, by a path that starts where the program is; raises a `LayerError` where there is none."""
    groups: tuple[str, ...] = ()
    """The groups that the program asks for, as it writes them."""
    extras: tuple[str, ...] = ()
    """The extras that the program asks for, as it writes them."""
    member: str = "."
    """The workspace member that is asked for: its folder, relative to the lock file's."""

    @property
    def folder(self) -> str:
        """The lock file's folder, relative paths of which start where the program is."""
        return os.path.dirname(self.label)  # noqa: PTH120

    def path(self, relative: str) -> str:
        """A path of the lock file's as the program would write it."""
        return os.path.normpath(os.path.join(self.folder, relative))  # noqa: PTH118

    def neighbour(self, relative: str) -> str | None:
        """The text of a file by its path relative to the lock file's folder; None where there is none."""
        try:
            return self.read(self.path(relative))
        except LockFileNotFoundError:
            return None

    def selected_groups(self, known: Collection[str]) -> tuple[str, ...]:
        """The groups asked for, normalised.

        Args:
            known: The lock file's groups, as it writes them.

        Raises:
            InvalidInputError: There is no such group; names those that there are.
        """
        return _selected("groups", self.groups, known, self.label)

    def selected_extras(self, known: Collection[str]) -> tuple[str, ...]:
        """The extras asked for, normalised; see `selected_groups`."""
        return _selected("extras", self.extras, known, self.label)


def _selected(what: str, asked: Sequence[str], known: Collection[str], label: str) -> tuple[str, ...]:
    spelled = {canonicalize_name(name): name for name in known}
    for name in asked:
        if canonicalize_name(name) not in spelled:
            _unknown(what, name, sorted(spelled.values()), label)
    return tuple(sorted({canonicalize_name(name) for name in asked}))


def _unknown(what: str, name: str, known: Sequence[str], label: str) -> NoReturn:
    has = f"has {', '.join(f'`{one}`' for one in known)}" if known else f"has no {what}"
    raise InvalidInputError(
        f"no `{name}` in the {what} of `{label}`, which {has}",
        hint=f'{what}=["{known[0]}"]' if known else f"leave out `{what}`",
        input_name=what,
    )
