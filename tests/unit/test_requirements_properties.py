from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from pip._internal.req.req_file import preprocess

from python_layer_provider.errors import LayerError
from python_layer_provider.lockfile import Lockfile, Pin
from python_layer_provider.lockfile.requirements import _logical_lines, parse_requirement_list, parse_requirements
from tests.unit.helpers import a_source

SECRET = "s3cr3tCanary"
HASH = st.builds(
    lambda kind, seed: f"{kind}:{hashlib.new(kind, bytes([seed])).hexdigest()}",
    st.sampled_from(["sha256", "sha384", "sha512"]),
    st.integers(0, 255),
)
NAME = st.from_regex(r"[a-z]([a-z0-9]{0,5}(-[a-z0-9])?)", fullmatch=True)
MARKER = st.sampled_from(
    [None, 'python_version < "3.11"', 'sys_platform == "win32" and python_full_version >= "3.9"', 'os_name == "a;#b"']
)
PIN = st.builds(
    lambda name, version, extras, marker, hashes, operator: Pin(
        name=name,
        version=version,
        specifier=f"{operator}{version}",
        extras=tuple(sorted(extras)),
        marker=marker,
        hashes=tuple(sorted(hashes)),
    ),
    NAME,
    st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,2}(rc1|\.post1|\+cpu)?", fullmatch=True),
    st.sets(NAME, max_size=2),
    MARKER,
    st.sets(HASH, max_size=3),
    st.sampled_from(["==", "==="]),
)
PIECE = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["\\\n", "\n", "\r\n", " ", "\t", "#", " # ", ";", "@", "'", '"', "${A}", "${B}", "==", "=", ",", "[x]", "-"]
    ),
    st.sampled_from(
        ["-r ", "-c ", "-e ", "-i ", "-f", "-C ", "--hash=", "--no-binary ", "--pre", "--index-url=", "--"]
    ),
    st.sampled_from(["https://", "git+ssh://", "file:", "u:p@", "h.example/", "a-1-py3-none-any.whl", "#egg=", "&"]),
    st.sampled_from(["./lib", "lib/", "name @ ./lib", "file:///", "~/", "../", "\\lib", "#subdirectory=", ".zip", "]"]),
    st.sampled_from(["name", "1.0", "python_version", "<", "(", "sha256:" + "a" * 64, "self.txt", "r.txt", "\ufeff"]),
)
TEXT = st.one_of(st.text(), st.lists(PIECE, max_size=30).map("".join))


def parse(text: str) -> Lockfile:
    files = {
        "sub/self.txt": text,
        "sub/lib/setup.py": "",
        "lib/pyproject.toml": '[project]\nname = "lib"',
        "x/setup.py": "",
    }
    return parse_requirements(a_source(text, "sub/r.txt", files, environ={"A": "a-value"}))


@given(TEXT)
def test_any_text_is_a_lock_file_or_an_error_of_ours(text: str) -> None:
    with contextlib.suppress(LayerError):
        parse(text)
    with contextlib.suppress(LayerError):
        parse_requirement_list([text], a_source(text))


@given(TEXT.filter(lambda text: "${" not in text and not text.startswith("\ufeff")))
def test_lines_are_joined_and_stripped_as_pip_does(text: str) -> None:
    assert list(_logical_lines(text)) == list(preprocess(text))


@given(st.lists(PIN, max_size=6), st.randoms(use_true_random=False), st.sampled_from(["\n", "\r\n"]))
def test_pins_come_back_from_what_pip_compile_would_write(pins: list[Pin], rng: random.Random, end: str) -> None:
    rng.shuffle(pins)
    text = end.join(line for pin in pins for line in written(pin, rng))
    assert [unplaced(pin) for pin in parse(text).pins] == pins


@given(st.lists(PIN, max_size=6), st.randoms(use_true_random=False))
def test_comments_change_only_where_a_pin_stands(pins: list[Pin], rng: random.Random) -> None:
    plain = "\n".join(line for pin in pins for line in written(pin, random.Random(0)))
    commented = "\n".join(line for pin in pins for line in ("# why", "", *written(pin, rng)))
    assert [unplaced(pin) for pin in parse(plain).pins] == [unplaced(pin) for pin in parse(commented).pins]


def written(pin: Pin, rng: random.Random) -> list[str]:
    marker = f"{rng.choice([' ', ''])};{rng.choice([' ', ''])}{pin.marker}" if pin.marker else ""
    hashes = [f"--hash={one}" for one in rng.sample(pin.hashes, len(pin.hashes))]
    indent = rng.choice(["    ", "  ", "\t"])
    joint = rng.choice([f" \\\n{indent}", " "])
    comments = rng.choice([[], [f"{indent}# via thing"], [f"{indent}# via", f"{indent}#   -r requirements.in \\"]])
    return [*joint.join([f"{pin.requirement}{marker}", *hashes]).split("\n"), *comments]


def unplaced(pin: Pin) -> Pin:
    return Pin(**{name: getattr(pin, name) for name in Pin.__slots__ if name != "where"})


BROKEN: tuple[Callable[[str], str], ...] = (
    lambda url: f"{url} {url}",
    lambda url: f"name @ {url} junk",
    lambda url: f"--index-url {url} junk",
    lambda url: f"--indx-url={url}",
    lambda url: f"-e {url}",
    lambda url: f"-r {url}",
    lambda url: f"-f {url}:x",
    lambda url: f"name={url}",
    lambda url: f"name @ {url} ; marker",
    lambda url: f"name==1.0 --index-url {url}",
    lambda url: f"name==1.0 -C {url}",
)


@given(
    st.sampled_from(BROKEN),
    st.sampled_from(["https", "git+https", "git+ssh", "s3"]),
    st.text("ab :/#?@%[]", max_size=4),
    st.text("ab :/?@%[]", max_size=4),
)
def test_messages_never_show_a_password(line: Callable[[str], str], scheme: str, before: str, after: str) -> None:
    text = line(f"{scheme}://user:{before}{SECRET}{after}@h.example/a.whl")
    assert SECRET not in complaint(text)


def complaint(text: str) -> str:
    try:
        parse(text)
    except LayerError as error:
        return str(error)
    return ""
