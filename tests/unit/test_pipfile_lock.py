from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from python_layer_provider.errors import (
    InvalidInputError,
    LayerError,
    LockFileConflictError,
    LockFileSyntaxError,
    LockFileUnsupportedError,
)
from python_layer_provider.lockfile import Lockfile, Pin
from python_layer_provider.lockfile.pipfile import parse_pipfile
from tests.unit.helpers import HASH, OTHER_HASH, a_source, chosen

COMMIT = "0123456789abcdef0123456789abcdef01234567"
INDEX = "https://index.example/simple"
PUBLIC = {"name": "pypi", "url": INDEX, "verify_ssl": True}
PRIVATE = {"name": "private", "url": "https://${USER_NAME}:${TOKEN}@index.example/private", "verify_ssl": False}
NOTHING: Mapping[str, Any] = {}
NAMES = {"USER_NAME": "me", "TOKEN": "t0ken"}


def a_lock(default: Mapping[str, Any] = NOTHING, sources: Sequence[Any] = (PUBLIC,), **categories: Any) -> str:
    """A Pipfile.lock; `meta` adds to its `_meta`."""
    meta = {"pipfile-spec": 6, "requires": {}, "sources": list(sources), **categories.pop("meta", {})}
    return json.dumps({"_meta": meta, "default": default, "develop": {}, **categories}, indent=4)


def parse(text: str, files: Mapping[str, str] = NOTHING, **others: Any) -> Lockfile:
    return parse_pipfile(a_source(text, others.pop("label", "Pipfile.lock"), files, **others))


def pin(entry: Mapping[str, Any], **others: Any) -> Pin:
    (only,) = parse(a_lock({"a": entry}, others.pop("sources", [PUBLIC])), **others).pins
    return only


def names(text: str, *groups: str) -> list[str]:
    return [one.name for one in parse(text, groups=groups).pins]


def refusal(text: str, **others: Any) -> LayerError:
    with pytest.raises(LayerError) as caught:
        parse(text, **others)
    return caught.value


# --- entries ---


def test_an_entry_is_a_pin() -> None:
    lock = a_lock(
        {
            "Foo.Bar_baz": {
                "hashes": [OTHER_HASH, HASH],
                "extras": ["Z_x", "a"],
                "index": "pypi",
                "markers": "python_version >= '3.9' and os_name=='posix'",
                "version": "==1.0",
            }
        }
    )
    lockfile = parse(lock)
    assert lockfile.pins == (
        Pin(
            name=canonicalize_name("foo-bar-baz"),
            version="1.0",
            specifier="==1.0",
            extras=("a", "z-x"),
            marker='python_version >= "3.9" and os_name == "posix"',
            hashes=(HASH, OTHER_HASH),
            index=INDEX,
            where="Pipfile.lock: default.Foo.Bar_baz",
        ),
    )
    assert (lockfile.closed, lockfile.roots, lockfile.relock) == (True, None, "pipenv lock")


@pytest.mark.parametrize(
    ("version", "specifier", "pinned"),
    [
        ("==1.0", "==1.0", "1.0"),
        ("===1.0-x", "===1.0-x", "1.0-x"),
        (">=2", ">=2", None),
        ("*", "", None),
        ("", "", None),
    ],
)
def test_only_two_operators_pin(version: str, specifier: str, pinned: str | None) -> None:
    one = pin({"version": version})
    assert (one.specifier, one.version) == (specifier, pinned)


def test_an_entry_without_a_version_pins_none() -> None:
    assert pin({}).requirement == "a"


@pytest.mark.parametrize(
    ("entry", "marker"),
    [
        ({}, None),
        ({"markers": ""}, None),
        ({"sys_platform": "== 'win32'"}, 'sys_platform == "win32"'),
        (
            {"markers": "os_name == 'nt' or os_name == 'java'", "python_version": "< '3.9'"},
            '(os_name == "nt" or os_name == "java") and python_version < "3.9"',
        ),
        ({"os_markers": "os_name == 'posix'"}, 'os_name == "posix"'),
    ],
)
def test_markers_may_be_keys_of_their_own(entry: Mapping[str, Any], marker: str | None) -> None:
    assert pin({"version": "==1", **entry}).marker == marker


def test_markers_are_for_the_target() -> None:
    lock = a_lock(
        {
            "a": {"version": "==1", "markers": "sys_platform == 'win32'"},
            "b": {"version": "==2", "markers": "python_version >= '3.13'"},
        }
    )
    assert chosen(parse(lock)) == {"b": "2"}


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ({"git": "https://git.example/o/r.git", "ref": COMMIT}, f"git+https://git.example/o/r.git@{COMMIT}"),
        ({"git": "https://git.example/o/r.git"}, "git+https://git.example/o/r.git"),
        ({"git": "git+https://git.example/o/r.git", "ref": "v1"}, "git+https://git.example/o/r.git@v1"),
        ({"git": "https://git.example/o/r.git@main", "ref": "v1"}, "git+https://git.example/o/r.git@v1"),
        ({"git": "https://git.example/o/r.git@main"}, "git+https://git.example/o/r.git@main"),
        ({"git": "git@git.example:o/r.git", "ref": "v1"}, "git+ssh://git@git.example/o/r.git@v1"),
        ({"git": "ssh://git@git.example/o/r.git", "ref": "v1"}, "git+ssh://git@git.example/o/r.git@v1"),
        (
            {"git": "https://git.example/o/r.git", "ref": "v1", "subdirectory": "py", "editable": True},
            "git+https://git.example/o/r.git@v1#subdirectory=py",
        ),
        ({"git": "https://git.example/r.git#subdirectory=py"}, "git+https://git.example/r.git#subdirectory=py"),
        ({"git": "https://git.example/r.git#egg=a", "ref": "v1"}, "git+https://git.example/r.git@v1"),
        ({"hg": "https://hg.example/r", "ref": "v1"}, "hg+https://hg.example/r@v1"),
        ({"svn": "https://svn.example/r", "ref": "7"}, "svn+https://svn.example/r@7"),
    ],
)
def test_a_repository_is_a_url(entry: Mapping[str, Any], url: str) -> None:
    one = pin({**entry, "extras": ["x"]})
    assert (one.url, one.version, one.index) == (url, None, None)
    assert one.requirement == f"a[x] @ {url}"


def test_a_version_beside_a_repository_says_nothing() -> None:
    one = pin({"git": "https://git.example/r.git", "ref": COMMIT, "version": "==2", "hashes": [HASH]})
    assert (one.version, one.hashes, one.locked) == (None, (), True)


def test_a_file_at_a_url_has_its_version_in_its_name() -> None:
    one = pin({"file": "https://files.example/a-1.0-py3-none-any.whl", "hashes": [HASH]})
    assert (one.url, one.version, one.hashes) == ("https://files.example/a-1.0-py3-none-any.whl", "1.0", (HASH,))


def test_a_project_in_an_archive_may_be_in_a_folder_of_it() -> None:
    one = pin({"file": "https://files.example/a.zip", "subdirectory": "py"})
    assert one.url == "https://files.example/a.zip#subdirectory=py"


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"path": ".", "editable": True}, "app"),
        ({"path": "./lib"}, "app/lib"),
        ({"path": "../lib"}, "lib"),
        ({"path": "lib", "subdirectory": "py"}, "app/lib/py"),
        ({"file": "dist/a-1.0-py3-none-any.whl"}, "app/dist/a-1.0-py3-none-any.whl"),
        ({"path": "my lib", "hashes": []}, "app/my lib"),
        ({"file": "file:///srv/a%20b.zip"}, "/srv/a b.zip"),
        ({"file": "file://localhost/srv/a", "subdirectory": "py"}, "/srv/a/py"),
        ({"file": "/srv/a.zip"}, "/srv/a.zip"),
    ],
)
def test_paths_start_at_the_lock_file(entry: Mapping[str, Any], path: str) -> None:
    one = pin(entry, label="app/Pipfile.lock")
    assert (one.path, one.url, one.index) == (path, None, None)


def test_what_is_at_a_path_tells_its_version_where_it_can() -> None:
    assert pin({"file": "./a-1.0-py3-none-any.whl", "hashes": [HASH]}).version == "1.0"
    project = {"lib/pyproject.toml": '[project]\nname = "a"\nversion = "2.0"'}
    assert pin({"path": "./lib"}, files=project).version == "2.0"


# --- categories ---

CATEGORIES = a_lock(
    {"a": {"version": "==1"}}, develop={"b": {"version": "==2"}}, docs={"c": {"version": "==3"}}, Web_App={}
)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([], ["a"]),
        (["dev"], ["a", "b"]),
        (["develop"], ["a", "b"]),
        (["dev-packages"], ["a", "b"]),
        (["docs", "dev"], ["a", "b", "c"]),
        (["docs", "DOCS", "web-app"], ["a", "c"]),
    ],
)
def test_categories_that_are_asked_for_add_to_the_default(groups: list[str], expected: list[str]) -> None:
    assert names(CATEGORIES, *groups) == expected


def test_a_category_may_be_called_dev() -> None:
    assert names(a_lock(develop={"a": {}}, dev={"b": {}}), "dev") == ["b"]


def test_an_unknown_category_is_told_with_the_known_ones() -> None:
    error = refusal(CATEGORIES, groups=["test"])
    assert isinstance(error, InvalidInputError)
    assert error.what == "no `test` in the groups of `Pipfile.lock`, which has `Web_App`, `develop`, `docs`"
    assert error.input_name == "groups"


def test_a_pipfile_has_no_extras() -> None:
    error = refusal(CATEGORIES, extras=["fast"])
    assert isinstance(error, InvalidInputError)
    assert error.input_name == "extras"


def test_one_distribution_in_two_categories_is_one_pin() -> None:
    entry = {"version": "==1", "hashes": [HASH]}
    assert chosen(parse(a_lock({"a": entry}, develop={"a": entry}), groups=["dev"])) == {"a": "1"}


def test_two_versions_in_two_categories_are_a_conflict() -> None:
    lock = a_lock({"a": {"version": "==1"}}, develop={"a": {"version": "==2"}})
    with pytest.raises(LockFileConflictError, match=r"`a==1` at Pipfile.lock: default.a and `a==2` at .*: develop.a"):
        chosen(parse(lock, groups=["dev"]))


# --- sources ---


def test_a_pin_comes_from_the_source_it_names_or_the_first() -> None:
    lock = a_lock({"a": {"index": "private"}, "b": {"index": "pypi"}, "c": {}}, [PUBLIC, PRIVATE])
    private = "https://me:t0ken@index.example/private"
    lockfile = parse(lock, environ=NAMES)
    assert [one.index for one in lockfile.pins] == [private, INDEX, INDEX]
    assert (lockfile.index.index_url, lockfile.index.extra_index_urls) == (None, ())


def test_a_source_may_be_named_by_its_url() -> None:
    assert pin({"index": INDEX}).index == INDEX


def test_without_sources_the_index_is_pips_own() -> None:
    assert pin({"version": "==1"}, sources=[]).index is None


def test_where_no_pin_names_a_source_all_of_them_may_have_it() -> None:
    lock = a_lock({"a": {}, "b": {}}, [{"url": INDEX}, {"url": "https://index.example/other"}])
    lockfile = parse(lock)
    assert [one.index for one in lockfile.pins] == [INDEX, INDEX]
    assert lockfile.index.extra_index_urls == ("https://index.example/other",)


def test_certificates_are_only_left_unchecked_where_the_source_says_so() -> None:
    sources = [{"name": name, "url": f"https://u:p@{name}.example:8080/simple"} for name in ("one", "two", "three")]
    entries = {"a": {"index": "one"}, "b": {"index": "two"}}
    flags: list[Mapping[str, Any]] = [{"verify_ssl": False}, {"verify_ssl": True}, {"verify_ssl": False}]
    lock = a_lock(entries, [{**source, **flag} for source, flag in zip(sources, flags, strict=True)])
    assert parse(lock).index.trusted_hosts == ("one.example:8080",)


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        ("https://$USER_NAME:${TOKEN}@index.example/x", "https://me:t0ken@index.example/x"),
        ("https://'${USER_NAME}':'${TOKEN}'@index.example/x", "https://me:t0ken@index.example/x"),
        ("https://u:${ODD}@index.example/x", "https://u:p%40s%2Fs@index.example/x"),
        ("https://u:${ENCODED}@index.example/x", "https://u:p%40s@index.example/x"),
        ("https://${BOTH}@index.example/x", "https://u:p@index.example/x"),
        ("https://${HOST}/simple", "https://index.example/simple"),
        ("https://index.example/${ODD}", "https://index.example/p@s/s"),
    ],
)
def test_variables_are_put_in_and_encoded_where_they_are_credentials(raw: str, url: str) -> None:
    environ = {**NAMES, "ODD": "p@s/s", "ENCODED": "p%40s", "BOTH": "u:p", "HOST": "index.example"}
    assert pin({}, sources=[{"url": raw}], environ=environ).index == url


@pytest.mark.parametrize("environ", [{}, {"TOKEN": ""}])
@pytest.mark.parametrize("raw", ["https://u:${TOKEN}@index.example", "https://u:$TOKEN@index.example"])
def test_a_variable_that_is_not_set_is_an_error(raw: str, environ: Mapping[str, str]) -> None:
    error = refusal(a_lock({"a": {}}, [{"url": raw}]), environ=environ)
    assert error.what == "Pipfile.lock: _meta.sources[0] names the environment variable `TOKEN`, which is not set"
    assert error.hint == "export TOKEN=…"


def test_a_variable_of_a_source_that_nothing_comes_from_need_not_be_set() -> None:
    lock = a_lock({"a": {"index": "pypi"}}, [PUBLIC, PRIVATE], develop={"b": {"index": "private"}})
    assert names(lock) == ["a"]


def test_variables_of_other_urls_are_put_in() -> None:
    assert (
        pin({"git": "https://${TOKEN}@git.example/r.git"}, environ=NAMES).url == "git+https://t0ken@git.example/r.git"
    )


def test_a_source_that_is_not_there_is_told_with_those_that_are() -> None:
    error = refusal(a_lock({"a": {"index": "nope"}}, [PUBLIC, PRIVATE]))
    assert error.what == "Pipfile.lock: default.a comes from `nope`, which is none of the sources: pypi, private"


# --- what is wrong ---


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "Pipfile.lock:1:2: not JSON: expecting property name enclosed in double quotes"),
        ("[]", "Pipfile.lock: not JSON: it is an array, not an object"),
        ('{\n<<<<<<< HEAD\n"_meta": {}}', "Pipfile.lock:2: a merge conflict"),
        ('{"_meta": []}', "Pipfile.lock: _meta is an array, not a table"),
        ('{"_meta": {}, "default": []}', "Pipfile.lock: default is an array, not a table"),
        (a_lock({"a": "==1"}), "Pipfile.lock: default.a is a string, not a table"),
        (a_lock({"a": {"version": 1}}), "Pipfile.lock: default.a.version is a number, not a string"),
        (a_lock({"a": {"version": "1.0"}}), "Pipfile.lock: default.a has a `version` that is none: `1.0`"),
        (a_lock({"a": {"version": "==1; os_name=='nt'"}}), "Pipfile.lock: default.a has a `version` that is none"),
        (a_lock({"a": {"version": "==x"}}), "Pipfile.lock: default.a: not a requirement"),
        (a_lock({"a": {"version": "==1,==2"}}), "Pipfile.lock: default.a: pinned to two versions: `a==1,==2`"),
        (a_lock({"a": {"hashes": HASH}}), "Pipfile.lock: default.a.hashes is a string, not an array"),
        (a_lock({"a": {"hashes": ["md5:0"]}}), "Pipfile.lock: default.a: not a hash that pip takes: `md5:0`"),
        (a_lock({"a": {"markers": "os_name"}}), "Pipfile.lock: default.a has a marker that is none: `os_name`"),
        (a_lock({"a": {"markers": "(" * 5000}}), "Pipfile.lock: default.a has a marker that is none: `((("),
        (a_lock({"a": {"os_name": "nt"}}), "Pipfile.lock: default.a has a marker that is none: `os_name nt`"),
        (a_lock({"a b": {}}), "Pipfile.lock: default.a b has a name that is none: `a b`"),
        (a_lock({"a": {"extras": ["x\ny"]}}), "Pipfile.lock: default.a has a name that is none"),
        (a_lock({"a": {"file": "https://["}}), "Pipfile.lock: default.a: not a URL: `a @ https://[`"),
        (
            a_lock({"a": {"file": "https://files.example/b-1-py3-none-any.whl"}}),
            "Pipfile.lock: default.a: the wheel at",
        ),
        (
            a_lock({"a": {"path": "b-1-py3-none-any.whl"}}),
            "Pipfile.lock: default.a: the wheel at this path is of another",
        ),
        (a_lock({"a": {"path": "lib", "hashes": [HASH]}}), "Pipfile.lock: default.a: a folder has no hash: `a @ lib`"),
        (a_lock({"a": {}}, [{"name": "pypi"}]), "Pipfile.lock: _meta.sources[0] `url` is missing"),
        (a_lock({"a": {}}, [{"url": "https:///"}]), "Pipfile.lock: _meta.sources[0] has a `url` that is none"),
    ],
)
def test_what_pipenv_would_not_write_is_told_with_file_and_key(text: str, what: str) -> None:
    error = refusal(text)
    assert isinstance(error, LockFileSyntaxError)
    assert error.what.startswith(what)
    assert (bool(error.hint), error.input_name) == (True, "requirements")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (a_lock({"a": {}}, meta={"pipfile-spec": 7}), "Pipfile.lock: _meta.pipfile-spec is 7; 6 is read"),
        (
            a_lock({"a": {}}, [{"url": "file://localhost/wheels"}]),
            "Pipfile.lock: _meta.sources[0].url is not an address that the build can reach: `file://localhost/wheels`",
        ),
        (a_lock({"a": {"git": "file:///srv/r"}}), "Pipfile.lock: default.a: a repository on this machine"),
        (a_lock({"a": {"git": "/srv/r"}}), "Pipfile.lock: default.a: a repository on this machine"),
    ],
)
def test_what_a_layer_cannot_be_built_from_is_refused(text: str, what: str) -> None:
    error = refusal(text)
    assert isinstance(error, LockFileUnsupportedError)
    assert error.what.startswith(what)
    assert (bool(error.hint), error.input_name) == (True, "requirements")


@pytest.mark.parametrize(
    "lock",
    [
        a_lock({"a": {"git": "https://${TOKEN}@/r"}}),
        a_lock({"a": {"git": "https://$TOKEN@git.example/ r"}}),
        a_lock({"a": {"file": "https://files.example/$TOKEN.whl"}}),
        a_lock({"a": {}}, [{"url": "https://${TOKEN}@"}]),
        a_lock({"a": {}}, [{"url": "ftp://${TOKEN}@index.example"}]),
        a_lock({"a": {"index": "https://u:s3cr3t@index.example"}}),
        a_lock({"a": {"version": "https://u:s3cr3t@index.example"}}),
    ],
)
def test_messages_never_show_a_secret(lock: str) -> None:
    assert "s3cr3t" not in str(refusal(lock, environ={"TOKEN": "s3cr3t"}))


# --- the Pipfile beside it ---

PIPFILE = """
[[source]]
url = "https://index.example/simple"
verify_ssl = true
name = "pypi"

[packages]
Requests = {version = "==2.32.3", extras = ["socks"]}
Flask_Cors = "*"

[dev-packages]
iniconfig = "*"

[docs]
alabaster = "*"

[scripts]
x = "echo"

[pipenv]
allow_prereleases = false

[requires]
python_version = "3.13"
"""
# What real releases of pipenv say of this Pipfile; 2018 and 2021 look at the two first categories alone.
HASHES = {
    "2021.5.29": "5b859e719b0ebcbbeaf68e362214debd1c255854c0a8b463f56bbe72072408f4",
    "2022.12.19": "729d63b6b1a6ef73c4aa19f6eba95c778557986ee6cebe56df0a1e52f7a71736",
    "2023.12.1": "729d63b6b1a6ef73c4aa19f6eba95c778557986ee6cebe56df0a1e52f7a71736",
    "2026.10.3": "a0150b35c72d2c2aee63bb98d489195b5258ffcb6e25ff4df95cc301c1f6d209",
}
STALE = ("`Pipfile` has changed since `Pipfile.lock` was made",)


def warnings(pipfile: str, sha256: str, label: str = "Pipfile.lock", name: str = "Pipfile") -> tuple[str, ...]:
    lock = a_lock({"a": {}}, meta={"hash": {"sha256": sha256}})
    return parse(lock, {name: pipfile}, label=label).stale


@pytest.mark.parametrize("release", HASHES)
def test_a_pipfile_that_is_as_it_was_locked_is_no_warning(release: str) -> None:
    assert warnings(PIPFILE, HASHES[release]) == ()


@pytest.mark.parametrize("release", ["2022.12.19", "2026.10.3"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2.32.3", "2.32.4"),
        ('["socks"]', "[]"),
        ("iniconfig", "iniconfig2"),
        ('alabaster = "*"', 'alabaster = ">1"'),
        ('"3.13"', '"3.12"'),
        ("index.example/simple", "index.example/other"),
    ],
)
def test_a_pipfile_that_has_changed_is_a_warning(release: str, old: str, new: str) -> None:
    assert warnings(PIPFILE.replace(old, new), HASHES[release]) == STALE


@pytest.mark.parametrize(("old", "new"), [("echo", "ls"), ("false", "true"), ("\n\n", "\n# why\n")])
def test_what_is_not_locked_may_change(old: str, new: str) -> None:
    assert warnings(PIPFILE.replace(old, new), HASHES["2022.12.19"]) == ()


def test_the_spelling_of_names_does_not_matter_to_a_late_pipenv() -> None:
    spelled = PIPFILE.replace("Flask_Cors", "flask-cors")
    assert warnings(spelled, HASHES["2026.10.3"]) == ()
    assert warnings(spelled, HASHES["2022.12.19"]) == STALE


def test_a_pipfile_without_sources_has_those_of_the_lock_file() -> None:
    content = {"_meta": {"requires": {}, "sources": [PUBLIC]}, "default": {"a": "*"}, "develop": {}}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert warnings('[packages]\na = "*"', hashlib.sha256(text.encode()).hexdigest()) == ()


def test_the_pipfile_is_named_as_the_lock_file_is() -> None:
    assert warnings(PIPFILE, "0", "app/Pipfile.web.lock", "app/Pipfile.web") == (
        "`app/Pipfile.web` has changed since `app/Pipfile.web.lock` was made",
    )


def test_a_lock_file_of_another_name_has_its_pipfile_too() -> None:
    assert warnings(PIPFILE, "0", "app/lock.json", "app/Pipfile") == (
        "`app/Pipfile` has changed since `app/lock.json` was made",
    )


def test_without_a_hash_or_a_pipfile_nothing_is_known() -> None:
    assert parse(a_lock({"a": {}}), {"Pipfile": PIPFILE}).stale == ()
    assert parse(a_lock({"a": {}}, meta={"hash": {"sha256": "0"}})).stale == ()


def test_a_pipfile_that_cannot_be_read_is_told() -> None:
    lock = a_lock({"a": {}}, meta={"hash": {"sha256": "0"}})
    assert refusal(lock, files={"Pipfile": "[packages\n"}).what.startswith("Pipfile:1:")


@pytest.mark.parametrize(
    ("requires", "specifier"),
    [
        ({"python_version": "3.12"}, "==3.12.*"),
        ({"python_version": "3"}, "==3.*"),
        ({"python_full_version": "3.12.4"}, "==3.12.*"),
        ({}, None),
        ({"python_version": "any"}, None),
    ],
)
def test_the_python_that_the_pipfile_requires_is_no_bound(requires: dict[str, str], specifier: str | None) -> None:
    lockfile = parse(a_lock({"a": {}}, meta={"requires": requires}))
    assert lockfile.requires_python == ()
    assert (lockfile.made_for and lockfile.made_for.specifier) == specifier
