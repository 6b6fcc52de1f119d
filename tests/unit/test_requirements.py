from __future__ import annotations

import hashlib
import timeit
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.utils import canonicalize_name
from pip._internal.network.session import PipSession
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import parse_requirements as pip_parse_requirements

from python_layer_provider.errors import (
    LayerError,
    LockFileNotFoundError,
    LockFileSyntaxError,
    LockFileUnsupportedError,
)
from python_layer_provider.lockfile import IndexOptions, Lockfile, Pin, read_lockfile
from python_layer_provider.lockfile.problem import masked
from python_layer_provider.lockfile.requirements import parse_requirement_list, parse_requirements
from tests.unit.helpers import a_source

FILES = Path(__file__).parents[1] / "lockfiles" / "requirements"
SHA = "a" * 64


NOTHING: Mapping[str, str] = {}


def parse(text: str, files: Mapping[str, str] = NOTHING, environ: Mapping[str, str] = NOTHING) -> Lockfile:
    return parse_requirements(a_source(text, files=files, environ=environ))


def pin(text: str) -> Pin:
    (only,) = parse(text).pins
    return only


def index(text: str, environ: Mapping[str, str] = NOTHING) -> IndexOptions:
    return parse(text, environ=environ).index


def refusal(text: str, files: Mapping[str, str] = NOTHING, environ: Mapping[str, str] = NOTHING) -> LayerError:
    with pytest.raises(LayerError) as caught:
        parse(text, files, environ)
    assert caught.value.input_name == "requirements"
    return caught.value


def names(text: str, files: Mapping[str, str] = NOTHING) -> list[str]:
    return [one.name for one in parse(text, files).pins]


# --- lines ---


def test_comments_and_blank_lines_say_nothing() -> None:
    assert names("# all\n\n   \n  # indented\na==1 # why\nb==2\t# why\n") == ["a", "b"]


def test_a_number_sign_inside_a_url_is_no_comment() -> None:
    assert pin("git+https://git.example/o/r@v1#egg=name # why").url == "git+https://git.example/o/r@v1"


def test_a_backslash_continues_a_line_with_or_without_a_blank() -> None:
    assert pin(f"a==1 \\\n  --hash=sha256:{SHA}\\\n --hash=sha256:{'b' * 64}").hashes == (
        f"sha256:{SHA}",
        f"sha256:{'b' * 64}",
    )


def test_a_comment_in_a_continuation_ends_the_requirement() -> None:
    assert names("a==1 \\\n# why \\\nb==2\n") == ["a", "b"]


def test_a_comment_behind_a_requirement_goes_on_where_it_ends_in_a_backslash() -> None:
    assert names("a==1 # why \\\nb==2\nc==3\n") == ["a", "c"]


def test_a_backslash_at_the_end_of_the_file_is_nothing() -> None:
    assert pin("a==1 \\").version == "1"


def test_a_pin_stands_at_its_first_physical_line() -> None:
    lockfile = parse(f"# one\n\na==1 \\\n  --hash=sha256:{SHA}\n# six\nb==2\n")
    assert [one.where for one in lockfile.pins] == ["requirements.txt:3", "requirements.txt:6"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_do_not_matter(end: str) -> None:
    assert names(end.join(["\ufeffa==1 \\", " ; python_version > '3'", "b==2"])) == ["a", "b"]


# --- requirements ---


def test_names_and_extras_are_normalised() -> None:
    one = pin("Foo.Bar_baz[Z_x, a] == 1.0")
    assert (one.name, one.extras, one.version, one.specifier) == ("foo-bar-baz", ("a", "z-x"), "1.0", "==1.0")
    assert one.requirement == "foo-bar-baz[a,z-x]==1.0"


@pytest.mark.parametrize(
    ("specifier", "version"),
    [("==2.0", "2.0"), ("===2.0-weird", "2.0-weird"), ("==2.*", None), (">=2", None), ("", None), ("==2.0,>=1", "2.0")],
)
def test_only_two_operators_pin(specifier: str, version: str | None) -> None:
    assert pin(f"a{specifier}").version == version


def test_markers_are_kept_as_packaging_writes_them() -> None:
    assert pin("a==1;python_version<'3.11' and( os_name=='nt')").marker == 'python_version < "3.11" and os_name == "nt"'


def test_an_empty_marker_is_none() -> None:
    assert pin("a==1 ;").marker is None


def test_hashes_are_sorted_and_lower_case_and_counted_once() -> None:
    one = pin(f"a==1 --hash=sha512:{'B' * 128} --hash sha256:{SHA} --hash=sha384:{'c' * 96} --hash=sha256:{SHA}")
    assert one.hashes == (f"sha256:{SHA}", f"sha384:{'c' * 96}", f"sha512:{'b' * 128}")


@pytest.mark.parametrize("value", ["md5:" + "a" * 32, "sha256:abc", "sha256:" + "g" * 64, "a" * 64, "SHA256:" + SHA])
def test_a_hash_that_pip_does_not_take_is_an_error(value: str) -> None:
    error = refusal(f"a==1 \\\n    --hash={value}")
    assert str(error).startswith(f"requirements.txt:1: not a hash that pip takes: `{value}`\nhint: use sha256 with 64 ")


def test_config_settings_are_kept_in_order() -> None:
    one = pin("a==1 -C b=2 --config-settings='a=x y' --config-settings \"--build-option=--z\"")
    assert one.config_settings == ("b=2", "a=x y", "--build-option=--z")


# --- URLs ---


def test_a_wheels_url_names_its_version_and_hash() -> None:
    one = pin(f"foo @ https://files.example/Foo-1.0%2Bcpu-py3-none-any.whl#sha256={SHA}")
    assert (one.version, one.hashes) == ("1.0+cpu", (f"sha256:{SHA}",))


@pytest.mark.parametrize("joint", ["&", "#"])
def test_a_hash_is_found_behind_other_parts_of_a_fragment(joint: str) -> None:
    one = pin(f"https://files.example/x.zip#egg=foo{joint}subdirectory=py{joint}sha256={SHA}")
    assert one.hashes == (f"sha256:{SHA}",)
    assert one.url == f"https://files.example/x.zip#subdirectory=py&sha256={SHA}"


def test_an_sdists_url_names_its_version() -> None:
    assert pin("foo @ https://files.example/foo-1.0.tar.gz").version == "1.0"


def test_other_urls_name_no_version_and_are_pinned_nevertheless() -> None:
    one = pin("foo @ git+ssh://git@git.example/o/r@main")
    assert (one.version, one.pinned, one.url) == (None, True, "git+ssh://git@git.example/o/r@main")


def test_a_url_that_stands_alone_has_its_name_in_the_wheels_name_or_in_the_egg() -> None:
    wheel, egg = parse(
        "https://files.example/Foo_Bar-1.0-py3-none-any.whl ; python_version < '4'\n"
        "git+https://git.example/o/r@v1#egg=b_z[X]&subdirectory=py\n"
    ).pins
    assert (wheel.name, wheel.version, wheel.marker) == ("foo-bar", "1.0", 'python_version < "4"')
    assert egg.requirement == "b-z[x] @ git+https://git.example/o/r@v1#subdirectory=py"


def test_a_marker_may_touch_a_url_that_has_a_name() -> None:
    one = pin("a @ https://files.example/a-1.0.zip;python_version<'3'")
    assert (one.url, one.marker) == ("https://files.example/a-1.0.zip", 'python_version < "3"')


def test_a_vcs_requirement_that_is_editable_is_an_ordinary_one() -> None:
    assert pin("-e git+https://git.example/o/r@v1#egg=name") == pin("name @ git+https://git.example/o/r@v1")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("https://files.example/x", "a URL without a name"),
        ("https://files.example/a-1-py3-none-any.whl;os_name=='nt'", "unexpected text after a URL"),
        ("b @ https://files.example/a-1-py3-none-any.whl", "the wheel at this URL is of another distribution"),
        ("a @ https://files.example/a.whl", "not the name of a wheel"),
        ("a @ git+ssh://git@git.example:o/r", "not a URL"),
        ("a @ https://[", "not a URL"),
        ("a @ https://files.example/a-1-py3-none-any.whl[x]", "extras stand behind the URL"),
        ("a @ https:///x", "not a URL"),
    ],
)
def test_a_url_that_cannot_be_is_an_error(line: str, expected: str) -> None:
    error = refusal(line)
    assert isinstance(error, LockFileSyntaxError)
    assert error.what.startswith(f"requirements.txt:1: {expected}: `")


@pytest.mark.parametrize("url", ["s3://bucket/a.whl", "git@git.example:o/r.git", "ftp://files.example/a-1.zip"])
def test_a_url_that_pip_does_not_take_is_unsupported(url: str) -> None:
    error = refusal(f"a @ {url}")
    assert isinstance(error, LockFileUnsupportedError)
    assert error.what == f"requirements.txt:1: no such kind of URL: `a @ {url}`"


@pytest.mark.parametrize("line", ["a @ git+file:///x", "git+file:///x#egg=a", "-e git+file:///x#egg=a"])
def test_a_repository_on_this_machine_is_unsupported(line: str) -> None:
    error = refusal(line)
    assert isinstance(error, LockFileUnsupportedError)
    assert error.what == f"requirements.txt:1: a repository on this machine: `{line}`"
    assert error.hint.startswith("name the folder itself, `name @ ./folder`")


# --- options ---


def test_index_options_are_read_in_all_their_spellings() -> None:
    options = index(
        "-i https://one.example --extra-index-url=https://two.example\n--extra-index https://three.example\n"
        "-fhttps://links.example\n--trusted-host one.example\n--pre\n--prefer-binary --require-hashes\n"
        "--use-feature fast-deps\n--extra-index-url https://two.example\n"
    )
    assert options == IndexOptions(
        index_url="https://one.example",
        extra_index_urls=("https://two.example", "https://three.example"),
        find_links=("https://links.example",),
        trusted_hosts=("one.example",),
        pre=True,
        prefer_binary=True,
        require_hashes=True,
    )


def test_pypi_url_is_the_index() -> None:
    assert index("--pypi-url https://index.example").index_url == "https://index.example"


def test_a_later_index_takes_the_place_of_all_before_as_in_pip() -> None:
    options = index("--extra-index-url https://two.example\n-i https://one.example\n")
    assert (options.index_url, options.extra_index_urls) == ("https://one.example", ())


def test_no_index_leaves_no_index() -> None:
    options = index("-i https://one.example\n--no-index\n--extra-index-url https://two.example\n")
    assert options == IndexOptions(no_index=True)


@pytest.mark.parametrize(
    ("lines", "no_binary", "only_binary"),
    [
        ("--no-binary=A_b,c", ("a-b", "c"), ()),
        ("--only-binary :all: --no-binary c", ("c",), (":all:",)),
        ("--no-binary :all:\n--only-binary :all:", (), (":all:",)),
        ("--no-binary c\n--only-binary c", (), ("c",)),
        ("--no-binary a,:all:,b", (":all:",), ()),
        ("--no-binary a,:none:,b", ("b",), ()),
        ("--no-binary :all:,a,:none:,b", ("b",), ()),
        ("--no-binary :all:\n--no-binary b", (":all:", "b"), ()),
        ("a==1 --no-binary a", ("a",), ()),
    ],
)
def test_formats_exclude_each_other_as_in_pip(
    lines: str, no_binary: tuple[str, ...], only_binary: tuple[str, ...]
) -> None:
    assert index(lines) == IndexOptions(no_binary=no_binary, only_binary=only_binary)


@pytest.mark.parametrize(
    ("line", "expected", "hint"),
    [
        ("--no-idnex", "not an option of requirements files: `--no-idnex`", "did you mean `--no-index`"),
        ("--no-deps", "not an option of requirements files: `--no-deps`", "remove it; "),
        ("-U", "not an option of requirements files: `-U`", "remove it; "),
        ("--no x", "not an option of requirements files: `--no`", "remove it; "),
        ("--pre=1", "`--pre` takes no value: `--pre=1`", "--pre"),
        ("--index-url", "`--index-url` needs a value: `--index-url`", ""),
        ("--no-binary --pre", "`--no-binary` needs a value: `--pre`", "--no-binary :all:"),
        ("-i https://a b", "unexpected text after an option: `b`", "put each requirement on its own line"),
        (f"a==1 --hash=sha256:{SHA} ; os_name=='nt'", "unexpected text after an option: `;`", "a marker stands before"),
        ("a==1 -C 'x", "a quote is not closed: `-C 'x`", ""),
        ("a==1 -C x", "not a setting: `x`", "--config-settings KEY=VALUE"),
        ("-C x=y", "`--config-settings` belongs to no requirement: `-C x=y`", "name==1.0 --config-settings KEY=VALUE"),
        ("--hash=sha256:" + SHA, f"`--hash` belongs to no requirement: `--hash=sha256:{SHA}`", "end the line before"),
        ("a==1 --pre", "`--pre` is for all requirements: `a==1 --pre`", "put it on a line of its own"),
        ("-r a -r b", "pip takes nothing else on the line of `--requirement`: `-r a -r b`", "put each on its own line"),
        ("-i https://[", "not a URL: `-i https://[`", ""),
    ],
)
def test_an_option_that_cannot_be_is_an_error(line: str, expected: str, hint: str) -> None:
    error = refusal(line)
    assert isinstance(error, LockFileSyntaxError)
    assert error.what == f"requirements.txt:1: {expected}"
    assert error.hint.startswith(hint)


@pytest.mark.parametrize("line", ["--global-option x", "--all-releases :all:", "-f ./wheels", "-i file:///index"])
def test_options_that_a_layer_has_no_use_for_are_unsupported(line: str) -> None:
    assert isinstance(refusal(line), LockFileUnsupportedError)


# --- includes ---


def test_included_files_are_found_beside_the_file_that_includes_them() -> None:
    files = {"sub/base.txt": "b==1\n-r ../sub/more.txt\n", "sub/../sub/more.txt": "c==1\n"}
    lockfile = parse("a==1\n-r sub/base.txt\nd==1\n", files)
    assert [(one.name, one.where) for one in lockfile.pins] == [
        ("a", "requirements.txt:1"),
        ("b", "sub/base.txt:1"),
        ("c", "sub/../sub/more.txt:1"),
        ("d", "requirements.txt:3"),
    ]


def test_constraints_are_kept_apart() -> None:
    files = {"c.txt": "b==2\n-c d.txt\n--pre", "d.txt": "c==3\n"}
    lockfile = parse("a==1\n-c c.txt\n", files)
    assert [one.name for one in lockfile.pins] == ["a"]
    assert [one.name for one in lockfile.constraints] == ["b", "c"]
    assert lockfile.index.pre


def test_a_file_may_be_included_twice() -> None:
    assert names("-r a.txt\n-r b.txt\n", {"a.txt": "-r b.txt\n", "b.txt": "b==1"}) == ["b"]


def test_a_file_may_be_both_required_and_a_constraint() -> None:
    lockfile = parse("-r a.txt\n-c a.txt\n", {"a.txt": "a==1"})
    assert [one.name for one in (*lockfile.pins, *lockfile.constraints)] == ["a", "a"]


def test_a_cycle_of_includes_is_an_error_that_shows_it() -> None:
    files = {"sub/a.txt": "\n-c b.txt\n", "sub/b.txt": "-r ../requirements.txt\n"}
    error = refusal("-r sub/a.txt", files)
    assert isinstance(error, LockFileSyntaxError)
    assert error.what == (
        "sub/b.txt:1: the file includes itself (requirements.txt -> sub/a.txt -> sub/b.txt -> requirements.txt): "
        "`-r ../requirements.txt`"
    )


def test_includes_have_an_end() -> None:
    files = {f"{i}.txt": f"-r {i + 1}.txt" for i in range(1000)}
    assert "more than 50 files include each other" in refusal("-r 0.txt", files).what


def test_a_missing_include_is_told_with_the_line_that_names_it() -> None:
    error = refusal("a==1\n-r nope.txt\n", {})
    assert isinstance(error, LockFileNotFoundError)
    assert error.what == "requirements.txt:2: no such file: `nope.txt`: `-r nope.txt`"


@pytest.mark.parametrize("url", ["https://files.example/r.txt", "file:///r.txt"])
def test_files_are_not_included_by_url(url: str) -> None:
    assert isinstance(refusal(f"-r {url}"), LockFileUnsupportedError)


# --- environment variables ---


def test_environment_variables_are_put_in() -> None:
    environ = {"NAME_1": "me", "TOKEN": "t"}
    assert index("-i https://${NAME_1}:${TOKEN}@index.example", environ).index_url == "https://me:t@index.example"


@pytest.mark.parametrize("text", ["$TOKEN", "${token}", "%TOKEN%"])
def test_other_spellings_of_variables_stay_as_they_are(text: str) -> None:
    assert index(f"-i https://{text}.example", {"TOKEN": "t", "token": "t"}).index_url == f"https://{text}.example"


@pytest.mark.parametrize("environ", [{}, {"TOKEN": ""}])
def test_a_variable_that_is_not_set_is_an_error(environ: dict[str, str]) -> None:
    error = refusal("-i https://${TOKEN}@index.example", environ=environ)
    assert (
        error.what == "requirements.txt:1: the environment variable `TOKEN` is not set: `-i https://****@index.example`"
    )
    assert error.hint == "export TOKEN=…"


def test_a_variable_in_a_comment_need_not_be_set() -> None:
    assert names("# ${TOKEN}\na==1 # ${TOKEN}\n") == ["a"]


@pytest.mark.parametrize(
    "line", ["a @ https://x/${V}", "-i ${V}", "--${V}", "a==1 --hash=${V}", "${V} x", "a==1 -C ${V}", "-r ${V}"]
)
def test_messages_never_show_what_a_variable_holds(line: str) -> None:
    assert "s3cr3t" not in str(refusal(line, environ={"V": "s3cr3t/ s3cr3t"}))


# --- messages ---


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("requests=2.0", "did you mean `requests==2.0`"),
        ("requests[socks] = 2.0 ; os_name == 'nt'", "did you mean `requests[socks]==2.0; os_name == 'nt'`"),
        ("requests 2.0", "did you mean `requests==2.0`"),
        ("requests^2.0", "did you mean `requests==2.0`"),
        ("numpy=1.0=py_0", "that is conda's; did you mean `numpy==1.0`"),
        ('requests = "^2.0"', "that is TOML; did you mean `requests==…`"),
        ("requests==2.0[socks]", "did you mean `requests[socks]==2.0`"),
        ("a==1 b==2", "put each requirement on its own line"),
        ("a==1, b", "put each requirement on its own line"),
        ("pip install requests", "name what `pip install` is given, without the command"),
        ("<<<<<<< HEAD", "resolve the merge conflict"),
        ("requirements-dev.txt", "-r requirements-dev.txt"),
        ("git+git@git.example:o/r.git", "did you mean `git+ssh://git@git.example/o/r.git`"),
        ("a==1; python_verson<'3'", "requirements are written as in https://packaging.python.org/"),
    ],
)
def test_a_bad_line_is_shown_with_the_likely_cause(line: str, hint: str) -> None:
    error = refusal(f"ok==1\n{line}\n")
    assert isinstance(error, LockFileSyntaxError)
    assert error.what.startswith("requirements.txt:2: ")
    assert f"`{line}`" in error.what
    assert error.hint.startswith(hint)


def test_all_bad_lines_are_told_at_once() -> None:
    error = refusal("a=1\nb==1\n-e ./none\n-r c.txt\n", {"c.txt": "d=1"})
    assert error.what == "`requirements.txt` has 3 lines that cannot be read"
    assert [line.partition(": ")[0] for line in error.detail.splitlines() if "hint" not in line] == [
        "requirements.txt:1",
        "requirements.txt:3",
        "c.txt:1",
    ]


def test_no_more_than_ten_bad_lines_are_told() -> None:
    error = refusal("a=1\n" * 12)
    assert error.detail.splitlines()[-1] == "and 2 more"
    assert error.detail.count("did you mean") == 10


def test_a_long_line_is_cut() -> None:
    assert len(refusal("a " * 1000).what) < 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:secret@host/x", "https://****@host/x"),
        ("https://secret@host/x", "https://****@host/x"),
        ("https://user:sec/ret@host/x", "https://****@host/x"),
        ("https://user:sec ret@host/x", "https://****@host/x"),
        ("https://user:s@cret@host/x", "https://****@host/x"),
        ("git+https://secret@host/o/r@v1 # why", "git+https://****@v1 # why"),
        ("https://user:secret", "https://****@"),
        ("https://host/x.whl?Signature=secret#sha256=1", "https://host/x.whl?****#sha256=1"),
        ("git+ssh://git@host/o/r@v1", "git+ssh://git@host/o/r@v1"),
        ("git+https://host/o/r@v1", "git+https://host/o/r@v1"),
        ("https://host:8080/x https://[::1]:80/x", "https://host:8080/x https://[::1]:80/x"),
    ],
)
def test_credentials_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected


def test_a_marker_of_a_thousand_parentheses_is_an_error() -> None:
    assert isinstance(refusal("a; " + "(" * 5000), LockFileSyntaxError)


# --- lists ---


def test_a_list_is_read_like_lines() -> None:
    lockfile = parse_requirement_list(
        ["a==1", f"b==2 \\\n --hash=sha256:{SHA}", "-r base.txt"],
        a_source("", "requirements", {"base.txt": "c==3"}),
    )
    assert [(one.name, one.where) for one in lockfile.pins] == [
        ("a", "requirements[0]"),
        ("b", "requirements[1]"),
        ("c", "base.txt:1"),
    ]
    assert lockfile.label == "requirements"


def test_a_bad_item_of_a_list_is_told_by_its_place() -> None:
    with pytest.raises(LockFileSyntaxError, match=r"^requirements\[1\]: not a requirement: `b=2`"):
        parse_requirement_list(["a==1", "b=2"], a_source("", "requirements"))


# --- against pip itself ---

ENVIRON = {"INDEX_TOKEN": "t0ken"}


def as_pip_reads(path: Path) -> list[tuple[Any, ...]]:
    read = []
    for parsed in pip_parse_requirements(str(path), session=PipSession()):
        one = install_req_from_parsed_requirement(parsed)
        hashes = {f"{name}:{digest.lower()}" for name, digests in one.hash_options.items() for digest in digests}
        if one.link:
            hashes |= {f"{name}:{digest}" for name, digest in one.link._hashes.items()}
        specifier = "" if one.link or not one.req else str(one.req.specifier)
        marker = str(Marker(str(one.markers))) if one.markers else None
        name = canonicalize_name(one.name or "")
        read.append((name, frozenset(one.extras), specifier, marker, frozenset(hashes), parsed.constraint))
    return sorted(read, key=repr)


def as_read_here(path: Path) -> list[tuple[Any, ...]]:
    lockfile = read_lockfile(path.name, base=path.parent, environ=ENVIRON)
    read = [
        (one.name, frozenset(one.extras), one.specifier, one.marker, frozenset(one.hashes), constraint)
        for pins, constraint in ((lockfile.pins, False), (lockfile.constraints, True))
        for one in pins
    ]
    return sorted(read, key=repr)


# An old pip warns of its own old parts.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", sorted(FILES.rglob("*.txt")), ids=lambda path: path.stem)
def test_pip_reads_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    assert as_read_here(path) == as_pip_reads(path)


# --- speed ---


def test_ten_thousand_hashes_are_read_in_well_under_a_second() -> None:
    def lines(i: int) -> str:
        digests = [hashlib.sha256(f"{i} {j}".encode()).hexdigest() for j in range(20)]
        return " \\\n    --hash=sha256:".join([f"package-{i}==1.{i} ; python_version >= '3.9'", *digests])

    text = "\n".join(lines(i) for i in range(500))
    # Measured: 0.03 to 0.05 s; the rest is for a machine that does other things too.
    assert min(timeit.repeat(lambda: parse(text), number=1, repeat=3)) < 0.5
    assert sum(len(one.hashes) for one in parse(text).pins) == 10_000
