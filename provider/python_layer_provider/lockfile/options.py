"""The options of requirements files, by pip's rules: https://pip.pypa.io/en/stable/reference/requirements-file-format/."""

from __future__ import annotations

import difflib
import re
import shlex
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from python_layer_provider.errors import LockFileUnsupportedError
from python_layer_provider.lockfile.model import IndexOptions
from python_layer_provider.lockfile.problem import Problem

_SHORT = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
    "-C": "--config-settings",
}
_ALIASES = {"--pypi-url": "--index-url"}
FORMATS = frozenset({"--no-binary", "--only-binary"})
ALONE = frozenset({"--requirement", "--constraint", "--editable"})
_FLAGS = frozenset({"--no-index", "--pre", "--prefer-binary", "--require-hashes"})
# `--use-feature` names experiments of one pip, which is not the one that builds the layer: it is read and dropped.
_VALUED = frozenset({"--extra-index-url", "--trusted-host", "--use-feature", *_SHORT.values(), "--hash", *FORMATS})
_OPTIONS = {name: name for name in sorted(_FLAGS | _VALUED)} | _ALIASES
_UNSUPPORTED = {
    "--global-option": "pass it to the build backend: --config-settings KEY=VALUE",
    "--install-option": "pass it to the build backend: --config-settings KEY=VALUE",
    "--all-releases": "--pre takes all releases",
    "--only-final": "remove it",
    "--no-deps-for": "remove it",
}
_WEB = re.compile(r"https?://", re.IGNORECASE)
_HASH = re.compile(r"sha256:[0-9a-fA-F]{64}|sha384:[0-9a-fA-F]{96}|sha512:[0-9a-fA-F]{128}")
_HASH_DIGITS = "sha256 with 64 hexadecimal digits, sha384 with 96, sha512 with 128"
_SHA256_ONLY = re.compile(r"(?:--hash=sha256:[0-9a-f]{64}(?:\s+|$))+")
_OPTION_START = re.compile(r"(?:^|\s)(?=-)")


def split(text: str) -> tuple[str, str]:
    """A line's requirement, and its options."""
    match = _OPTION_START.search(text)
    return (text[: match.start()].rstrip(), text[match.end() :]) if match else (text, "")


def parse_options(text: str) -> tuple[list[str], list[tuple[str, str]]]:
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
            raise Problem(f"`{name}` needs a value", excerpt=token)
        if name == "--hash":
            hashes.append(checked_hash(value))
        else:
            options.append((name, value))
    return hashes, options


def _tokens(text: str) -> list[str]:
    if not any(mark in text for mark in "\"'\\"):
        return text.split()
    try:
        return shlex.split(text)
    except ValueError as error:
        raise Problem("a quote is not closed", hint="close it on the same line", excerpt=text) from error


def _option(token: str) -> tuple[str, str | None]:
    """An option's name, and its value where that does not follow as the next token."""
    if token in ("-", "--") or not token.startswith("-"):
        hint = "a marker stands before the options" if token.startswith(";") else "put each requirement on its own line"
        raise Problem("unexpected text after an option", hint=hint, excerpt=token)
    if not token.startswith("--"):
        if token[:2] not in _SHORT:
            raise _unknown_option(token)
        return _SHORT[token[:2]], token[2:] or None
    given, equals, value = token.partition("=")
    name = _long_option(given)
    if name not in _FLAGS:
        return name, value if equals else None
    if equals:
        raise Problem(f"`{name}` takes no value", hint=name, excerpt=token)
    return name, ""


def _long_option(given: str) -> str:
    if given in _OPTIONS:
        return _OPTIONS[given]
    if given in _UNSUPPORTED:
        what = f"`{given}` is not supported"
        raise Problem(what, hint=_UNSUPPORTED[given], excerpt=given, kind=LockFileUnsupportedError)
    # pip takes any beginning that is unambiguous, and files in the wild lean on it.
    meant = {name for option, name in _OPTIONS.items() if option.startswith(given)}
    if len(meant) != 1:
        raise _unknown_option(given)
    return meant.pop()


def _unknown_option(given: str) -> Problem:
    close = difflib.get_close_matches(given, _OPTIONS, n=1, cutoff=0.8)
    hint = f"did you mean `{close[0]}`" if close else "remove it; options of the command line do not count here"
    return Problem("not an option of requirements files", hint=hint, excerpt=given)


def index_url_first(option: tuple[str, str]) -> bool:
    """Sort key of a line's options."""
    # Within one line pip sets the index before it adds to it, whatever stands first.
    return option[0] != "--index-url"


@dataclass(slots=True)
class IndexBuilder:
    """`IndexOptions` in the making."""

    index_url: str | None = None
    extra_index_urls: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    trusted_hosts: list[str] = field(default_factory=list)
    no_binary: set[str] = field(default_factory=set)
    only_binary: set[str] = field(default_factory=set)
    flags: set[str] = field(default_factory=set)

    def take(self, name: str, value: str) -> None:
        """Obey one option."""
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
        """What all options came to."""
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
        raise Problem(f"`{option}` needs a value", hint=f"{option} :all:", excerpt=value)
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
        checked_url(value)
        return value
    what = f"`{name}` takes an address that the build can reach"
    raise Problem(what, hint=f"{name} https://…", excerpt=value, kind=LockFileUnsupportedError)


def checked_hash(value: str) -> str:
    """A hash in pip's form, in lower case."""
    if not _HASH.fullmatch(value):
        raise Problem("not a hash that pip takes", hint=f"use {_HASH_DIGITS}", excerpt=value)
    return value.lower()


def checked_setting(value: str) -> str:
    """The `KEY=VALUE` of `--config-settings`."""
    if "=" not in value:
        raise Problem("not a setting", hint="--config-settings KEY=VALUE", excerpt=value)
    return value


def checked_url(url: str) -> None:
    """See that a URL is one."""
    try:
        parts = urlsplit(url)
        # Reading the port is what checks it.
        complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete or any(character.isspace() for character in url):
        slash = "after the host comes a slash: `git+ssh://git@host/path`"
        hint = (
            slash if "ssh://" in url else "a URL has a host, and neither blanks nor lone brackets: `https://host/path`"
        )
        raise Problem("not a URL", hint=hint)
