from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from python_layer_provider.errors import (
    InvalidInputError,
    LayerError,
    LockFileConflictError,
    LockFileSyntaxError,
    LockFileTargetError,
    LockFileUnsupportedError,
)
from python_layer_provider.lockfile import File, Lockfile, Pin
from python_layer_provider.lockfile.poetry import parse_poetry
from python_layer_provider.lockfile.poetry_constraint import admits, alternatives, python_marker, specifier
from python_layer_provider.target import Target
from tests.unit.helpers import HASH, OTHER_HASH, TARGET, a_source, chosen

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NOTHING: Mapping[str, str] = {}
OLD = Target.of("python3.9", "x86_64")


def a_package(name: str, version: str = "1.0", body: str = "", *, optional: bool = False, pythons: str = "*") -> str:
    """A package; `body` is the rest of its lines, tables of it at the end."""
    return f"""
[[package]]
name = "{name}"
version = "{version}"
optional = {str(optional).lower()}
python-versions = "{pythons}"
{body}
"""


def a_lock(*packages: str, version: str = "2.1", pythons: str = "*", rest: str = "") -> str:
    return f"""{"".join(packages)}
[metadata]
lock-version = "{version}"
python-versions = "{pythons}"
{rest}
"""


def main(name: str, version: str = "1.0", body: str = "", *, optional: bool = False) -> str:
    """A package of the main group, as Poetry 2 writes it."""
    return a_package(name, version, f'groups = ["main"]\n{body}', optional=optional)


def parse(text: str, project: str | None = None, **others: Any) -> Lockfile:
    files = {} if project is None else {"pyproject.toml": project}
    return parse_poetry(a_source(text, others.pop("label", "poetry.lock"), files, **others))


def pin(body: str, version: str = "1.0", label: str = "poetry.lock") -> Pin:
    (only,) = parse(a_lock(main("a", version, body)), label=label).pins
    return only


def names(lockfile: Lockfile, target: Target = TARGET) -> str:
    """What is selected, in one line: `a b`."""
    return " ".join(chosen(lockfile, target))


def versions(lockfile: Lockfile, target: Target = TARGET) -> str:
    return " ".join(f"{name}-{version}" for name, version in chosen(lockfile, target).items())


def a_project(dependencies: str, rest: str = "") -> str:
    return f'[tool.poetry]\nname = "app"\n[tool.poetry.dependencies]\npython = "^3.9"\n{dependencies}\n{rest}'


def refusal(text: str, project: str | None = None, **others: tuple[str, ...]) -> LayerError:
    with pytest.raises(LayerError) as caught:
        parse(text, project, **others)
    return caught.value


# --- packages ---


def test_a_package_is_a_pin() -> None:
    files = f"""files = [
        {{file = "foo_bar-1.0-py3-none-any.whl", hash = "{OTHER_HASH}"}},
        {{file = "foo_bar-1.0.tar.gz", hash = "{HASH}"}},
    ]
    markers = "os_name=='posix'"
    """
    lockfile = parse(a_lock(main("Foo.Bar", body=files)))
    assert lockfile.pins == (
        Pin(
            name=canonicalize_name("foo-bar"),
            version="1.0",
            specifier="==1.0",
            marker='os_name == "posix"',
            hashes=(HASH, OTHER_HASH),
            files=(File(name="foo_bar-1.0-py3-none-any.whl"), File(name="foo_bar-1.0.tar.gz")),
            where="poetry.lock: package[0]",
        ),
    )
    assert (lockfile.closed, lockfile.roots, lockfile.relock) == (True, None, "poetry lock")


@pytest.mark.parametrize(
    ("source", "url"),
    [
        (
            f'type = "git"\nurl = "https://git.example/a.git"\nreference = "v1"\nresolved_reference = "{COMMIT}"',
            f"git+https://git.example/a.git@{COMMIT}",
        ),
        (
            f'type = "git"\nurl = "git@git.example:x/a.git"\nresolved_reference = "{COMMIT}"\nsubdirectory = "sub"',
            f"git+ssh://git@git.example/x/a.git@{COMMIT}#subdirectory=sub",
        ),
        # Poetry 1.0 wrote the commit here.
        (
            f'type = "git"\nurl = "https://git.example/a.git"\nreference = "{COMMIT}"',
            f"git+https://git.example/a.git@{COMMIT}",
        ),
        ('type = "url"\nurl = "https://files.example/a-1.0.zip"', "https://files.example/a-1.0.zip"),
        (
            'type = "url"\nurl = "https://files.example/a-1.0.zip"\nsubdirectory = "sub"',
            "https://files.example/a-1.0.zip#subdirectory=sub",
        ),
    ],
)
def test_a_source_with_a_url_is_a_direct_reference(source: str, url: str) -> None:
    found = pin(f"[package.source]\n{source}")
    assert (found.url, found.version, found.index) == (url, "1.0", None)


def test_a_file_at_a_url_has_to_have_its_hash() -> None:
    body = f'files = [{{file = "a-1.0.zip", hash = "{HASH}"}}]\n[package.source]\ntype = "url"\n'
    assert pin(f'{body}url = "https://files.example/a-1.0.zip"').hashes == (HASH,)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ('type = "directory"\nurl = "../lib"', "sub/lib"),
        ('type = "directory"\nurl = "lib"\nsubdirectory = "python"', "sub/app/lib/python"),
        ('type = "file"\nurl = "dist/a-1.0-py3-none-any.whl"', "sub/app/dist/a-1.0-py3-none-any.whl"),
        ('type = "directory"\nurl = "/opt/lib"', "/opt/lib"),
    ],
)
def test_paths_start_at_the_lock_file(source: str, path: str) -> None:
    found = pin(f"develop = true\n[package.source]\n{source}", label="sub/app/poetry.lock")
    assert (found.path, found.url, found.version) == (path, None, "1.0")


def test_another_index_is_named_with_its_credentials() -> None:
    source = '[package.source]\ntype = "legacy"\nurl = "https://u:p@index.example/simple"\nreference = "x"'
    assert pin(source).index == "https://u:p@index.example/simple"


def test_hashes_that_pip_does_not_take_count_as_none() -> None:
    sha512 = f"sha512:{'a' * 128}"
    body = f'files = [{{file = "a-1.0.tar.gz", hash = "md5:{"0" * 32}"}}, {{file = "a-1.0.zip", hash = "{sha512}"}}]'
    assert pin(body).hashes == (sha512,)
    assert pin(f'files = [{{file = "a-1.0.tar.gz", hash = "md5:{"0" * 32}"}}]').hashes == ()


def test_files_that_pip_does_not_install_fit_no_target() -> None:
    body = f'files = [{{file = "a-1.0.win32.exe", hash = "{HASH}"}}, {{file = "a-1.0-py3.8.egg", hash = "{HASH}"}}]'
    assert pin(body).files == ()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ('type = "svn"\nurl = "https://x.example/a"', "`svn`, which is not known"),
        ('type = "legacy"\nurl = "file:///srv/wheels"', "not an address that the build can reach"),
        ('type = "file"\nurl = "a.zip"\nsubdirectory = "x"', "a folder within the file `a.zip`"),
        (f'type = "git"\nurl = "../a"\nresolved_reference = "{COMMIT}"', "`a @ git+../a@"),
    ],
)
def test_what_a_layer_cannot_be_built_from_is_refused(source: str, says: str) -> None:
    error = refusal(a_lock(main("a", body=f"[package.source]\n{source}")))
    assert isinstance(error, LockFileUnsupportedError)
    assert error.what.startswith("poetry.lock: package[0]")
    assert says in error.what
    assert error.hint


# --- since 2.1: groups, markers and extras are in the lock file ---

GROUPS = a_lock(
    a_package("a", body='groups = ["main"]'),
    a_package("b", body='groups = ["dev", "My_Docs"]\nmarkers = {dev = "python_version < \'3.10\'"}'),
    a_package("c", body='groups = ["main", "dev"]\nmarkers = {main = "python_version < \'3.10\'"}'),
    a_package("d", body='groups = ["dev"]\nmarkers = "python_version < \'3.10\'"'),
)


@pytest.mark.parametrize(
    ("groups", "now", "old"),
    [
        ((), "a", "a c"),
        (("main",), "a", "a c"),
        (("dev",), "a c", "a b c d"),
        (("my.docs",), "a b", "a b c"),
        (("dev", "my-docs"), "a b c", "a b c d"),
    ],
)
def test_groups_add_to_the_main_one(groups: tuple[str, ...], now: str, old: str) -> None:
    lockfile = parse(GROUPS, groups=groups)
    assert (names(lockfile), names(lockfile, OLD)) == (now, old)


def test_a_group_of_which_nothing_is_locked_is_known_from_the_project() -> None:
    project = a_project("a = '*'", "[tool.poetry.group.empty.dependencies]")
    assert names(parse(GROUPS, project, groups=("empty",))) == "a"


EXTRAS = a_lock(
    main("a"),
    main("b", body="markers = 'extra == \"two-words\"'", optional=True),
    main("c", body='markers = \'extra == "x" and os_name == "nt" or extra == "two-words"\'', optional=True),
    rest='[extras]\nx = ["c"]\ntwo-words = ["b", "c"]',
)


@pytest.mark.parametrize(
    ("extras", "selected"), [((), "a"), (("x",), "a"), (("Two_Words",), "a b c"), (("x", "two-words"), "a b c")]
)
def test_extras_bring_what_is_optional(extras: tuple[str, ...], selected: str) -> None:
    assert names(parse(EXTRAS, extras=extras)) == selected


@pytest.mark.parametrize("version", ["1.1", "2.0", "2.1"])
def test_unknown_groups_and_extras_tell_the_known_ones(version: str) -> None:
    lock = a_lock(main("a"), version=version, rest="[extras]\nx = []")
    project = a_project("a = '*'", "[tool.poetry.group.dev.dependencies]")
    for what, known in (("groups", "has `dev`"), ("extras", "has `x`")):
        error = refusal(lock, project, **{what: ("nope",)})
        assert isinstance(error, InvalidInputError)
        assert known in error.what


# --- before 2.1: what the project asks for ---


def old(name: str, version: str = "1.0", body: str = "", *, optional: bool = False, pythons: str = "*") -> str:
    return a_package(name, version, body, optional=optional, pythons=pythons)


GRAPH = a_lock(
    old("a", body="[package.dependencies]\nb = {version = '>=1', markers = \"sys_platform == 'win32'\"}\nc = '*'"),
    old("b"),
    old("c", body="[package.dependencies]\nD_d = '*'\na = '*'"),
    old("d-d"),
    old("tool", body="[package.dependencies]\nd-d = '*'\nb = '*'"),
    old("extra-one", optional=True),
    version="2.0",
    rest='[extras]\nx = ["extra-one"]',
)
EXTRA_ONE = "extra-one = {version = '*', optional = true}"


@pytest.mark.parametrize(
    ("project", "asked", "selected"),
    [
        (a_project("a = '^1'"), {}, "a c d-d"),
        (a_project("A = {version = '*', python = '<3.10'}\nb = '*'"), {}, "b"),
        (a_project("a = {version = '*', platform = 'win32'}\nb = {version = '*', platform = '!=win32'}"), {}, "b"),
        (a_project("a = {version = '*', markers = \"os_name == 'nt'\"}\nb = '*'"), {}, "b"),
        (a_project("b = '*'", "[tool.poetry.dev-dependencies]\ntool = '*'"), {}, "b"),
        (a_project("c = '*'", "[tool.poetry.dev-dependencies]\ntool = '*'"), {"groups": ("dev",)}, "a b c d-d tool"),
        (a_project("", "[tool.poetry.group.Docs.dependencies]\nd-d = '*'"), {"groups": ("docs",)}, "d-d"),
        (a_project(f"b = '*'\n{EXTRA_ONE}", "[tool.poetry.extras]\nx = ['extra-one']"), {}, "b"),
        (a_project(f"b = '*'\n{EXTRA_ONE}"), {"extras": ("x",)}, "b extra-one"),
        ("[project]\nname = 'app'\ndependencies = ['b>=1', \"a; os_name == 'nt'\"]", {}, "b"),
        (
            "[project]\nname = 'app'\n[project.optional-dependencies]\nx = ['extra-one']",
            {"extras": ("x",)},
            "extra-one",
        ),
        (
            "[dependency-groups]\ndev = [{include-group = 'Base'}]\nbase = ['b', {include-group = 'dev'}]\n[project]",
            {"groups": ("dev",)},
            "b",
        ),
    ],
)
def test_the_project_says_where_the_graph_begins(
    project: str, asked: Mapping[str, tuple[str, ...]], selected: str
) -> None:
    assert names(parse(GRAPH, project, **asked)) == selected


def test_an_old_poetry_knows_its_own_table_only() -> None:
    project = a_project("b = '*'", "[project]\nname = 'app'\ndependencies = ['a']")
    assert names(parse(GRAPH, project)) == "b"


def test_optional_needs_of_packages_come_with_their_extras() -> None:
    body = """
[package.dependencies]
marked = {version = "*", optional = true, markers = "extra == 'One_x'"}
listed = {version = "*", optional = true}
other = {version = "*", optional = true, markers = "extra == 'two'"}
a = {version = "*", optional = true, extras = ["two"], markers = "extra == 'all'"}

[package.extras]
one-x = ["marked", "listed (>=1)"]
two = ["other"]
all = ["a[two]"]
"""
    packages = (old("a", body=body), *(old(name, optional=True) for name in ("listed", "marked", "other")))
    lock = a_lock(*packages, version="2.0")
    assert names(parse(lock, a_project("a = '*'"))) == "a"
    assert names(parse(lock, a_project("a = {version = '*', extras = ['one_X']}"))) == "a listed marked"
    assert names(parse(lock, a_project("a = {version = '*', extras = ['all']}"))) == "a other"


def test_an_extra_of_the_project_is_none_of_its_packages() -> None:
    body = "[package.dependencies]\nb = {version = '*', optional = true, markers = \"extra == 'x'\"}"
    lock = a_lock(old("a", body=body), old("b", optional=True), version="2.0", rest="[extras]\nx = []")
    assert names(parse(lock, a_project("a = '*'"), extras=("x",))) == "a"


FORKS = (
    old("a", "1.0", pythons=">=3.8"),
    old("a", "2.0", pythons=">=3.8"),
    old("a", "10.0", pythons=">=3.10"),
)


@pytest.mark.parametrize(
    ("dependencies", "now", "before"),
    [
        ("a = [{version = '1.0', python = '<3.10'}, {version = '^2', python = '^3.10'}]", "a-2.0", "a-1.0"),
        ("a = '*'", "a-10.0", "a-2.0"),
        ("a = '<2 || >2,<10'", "a-1.0", "a-1.0"),
        # What no version meets is what Poetry has resolved in a way of its own.
        ("a = '>11'", "a-10.0", "a-2.0"),
    ],
)
def test_of_several_versions_the_highest_that_fits_is_meant(dependencies: str, now: str, before: str) -> None:
    lockfile = parse(a_lock(*FORKS, version="2.0"), a_project(dependencies))
    assert (versions(lockfile), versions(lockfile, OLD)) == (now, before)


def test_all_that_need_a_package_agree_on_its_version() -> None:
    b = old("b", body="[package.dependencies]\na = '>=1'")
    lockfile = parse(a_lock(*FORKS, b, version="2.0"), a_project("b = '*'\na = {version = '<10', python = '>=3.10'}"))
    assert versions(lockfile) == "a-2.0 b-1.0"


def test_a_version_gives_way_where_what_it_needs_does_not_fit() -> None:
    b = (old("b", "1.0"), old("b", "2.0", body="[package.dependencies]\na = '>=10'"))
    lock = a_lock(*FORKS, *b, version="2.0")
    assert versions(parse(lock, a_project("b = '*'\na = '<10'"))) == "a-2.0 b-1.0"
    with pytest.raises(LockFileConflictError, match="several versions of `a`"):
        chosen(parse(lock, a_project("b = '^2'\na = '<10'")))


def test_versions_are_told_apart_by_their_sources() -> None:
    def source(kind: str, rest: str) -> str:
        return f'[package.source]\ntype = "{kind}"\n{rest}'

    lock = a_lock(
        old("a", "1.0", source("legacy", 'url = "https://index.example/simple"\nreference = "cpu"')),
        old("a", "1.1", source("git", f'url = "https://git.example/a"\nresolved_reference = "{COMMIT}"')),
        old("a", "1.2", source("url", 'url = "https://files.example/a.zip"')),
        old("a", "1.3", source("directory", 'url = "../a"')),
        old("a", "1.4"),
        version="2.0",
    )
    wanted = {
        "{version = '*', source = 'cpu'}": "1.0",
        "{git = 'https://git.example/a.git'}": "1.1",
        "{url = 'https://files.example/a.zip'}": "1.2",
        "{path = '../a'}": "1.3",
        "'*'": "1.4",
    }
    assert {key: chosen(parse(lock, a_project(f"a = {key}")))["a"] for key in wanted} == wanted
    standard = {
        "a @ git+https://git.example/a.git@v1#egg=a": "1.1",
        "a @ https://files.example/a.zip#sha256=0": "1.2",
        "a @ file:///srv/a": "1.3",
    }
    projects = {key: f"[project]\nname = 'app'\ndependencies = ['{key}']" for key in standard}
    assert {key: chosen(parse(lock, project))["a"] for key, project in projects.items()} == standard


def test_what_old_poetrys_took_for_granted_need_not_be_locked() -> None:
    body = "[package.dependencies]\nsetuptools = '*'\napp = '*'"
    assert names(parse(a_lock(old("a", body=body), version="1.1"), a_project("a = '*'"))) == "a"


def test_a_need_that_is_not_locked_is_an_error() -> None:
    with pytest.raises(LockFileSyntaxError, match=r"needs `b`, which the lock file does not hold") as caught:
        chosen(parse(a_lock(old("a"), version="2.0"), a_project("a = '*'\nb = '*'")))
    assert caught.value.hint == "lock again: poetry lock"


# --- 1.0, 1.1 and before: hashes and markers in other places ---


def test_hashes_of_all_packages_may_stand_at_the_end() -> None:
    rest = f"""
[metadata.files]
A_b = [
    {{file = "A_b-1.0-py3-none-any.whl", hash = "{HASH}"}},
    {{file = "A_b-2.0-py3-none-any.whl", hash = "{OTHER_HASH}"}},
]
"""
    lockfile = parse(a_lock(old("a-b"), version="1.1", rest=rest), a_project("a-b = '*'"))
    assert lockfile.pins[0].hashes == (HASH,)
    assert lockfile.pins[0].files == (File(name="A_b-1.0-py3-none-any.whl"),)


def test_the_first_lock_files_had_hashes_without_files() -> None:
    rest = f'[metadata.hashes]\na = ["{"0" * 64}", "{"0" * 32}"]'
    lock = a_lock(old("a"), rest=rest).replace('lock-version = "2.1"', "")
    lockfile = parse(lock, a_project("a = '*'"))
    assert (lockfile.pins[0].hashes, lockfile.pins[0].files) == ((HASH,), ())


def test_packages_of_old_lock_files_have_conditions_themselves() -> None:
    lock = a_lock(
        old("a", body="marker = \"sys_platform == 'win32'\""),
        old("b", body="[package.requirements]\npython = '>=2.7,<3.10'"),
        old("c", body="[package.requirements]\nplatform = 'linux'"),
        version="1.0",
    )
    lockfile = parse(lock, a_project("a = '*'\nb = '*'\nc = '*'"))
    assert (names(lockfile), names(lockfile, OLD)) == ("c", "b c")


CATEGORIES = a_lock(
    old("a", body="category = 'main'\n[package.dependencies]\nb = {version = '*', markers = \"os_name == 'nt'\"}"),
    old("b", body="category = 'main'"),
    old("circle", body="category = 'main'\n[package.dependencies]\nround = '*'"),
    old("round", body="category = 'main'\n[package.dependencies]\ncircle = '*'"),
    old("lint", body="category = 'dev'"),
    old("more", body="category = 'main'", optional=True),
    version="1.1",
    rest='[extras]\nx = ["more (>=1)"]',
)


@pytest.mark.parametrize(
    ("asked", "selected"),
    [
        ({}, "a circle round"),
        ({"groups": ("dev",)}, "a circle round lint"),
        ({"extras": ("x",)}, "a circle round more"),
    ],
)
def test_categories_stand_in_for_a_missing_project(asked: Mapping[str, Any], selected: str) -> None:
    lockfile = parse(CATEGORIES, **asked)
    assert names(lockfile) == selected
    assert lockfile.warnings == (
        "`pyproject.toml` is missing, and only it says under which conditions the project itself needs a package",
    )


@pytest.mark.parametrize("project", [None, "[tool.ruff]\nline-length = 100"])
def test_without_categories_nothing_stands_in_for_the_project(project: str | None) -> None:
    error = refusal(a_lock(old("a"), version="2.0"), project)
    assert isinstance(error, LockFileUnsupportedError)
    assert "does not say which packages are for development" in error.what
    assert error.hint.endswith("poetry lock")


# --- Python ---


@pytest.mark.parametrize(
    ("pythons", "runtimes"),
    [
        ("*", "3.9 3.13"),
        ("^3.8", "3.9 3.13"),
        ("~3.13", "3.13"),
        (">=3.8,<3.10", "3.9"),
        ("~2.7 || >=3.9,<3.12", "3.9"),
        ("~3.9 || ~3.13", "3.9 3.13"),
        ("^4.0", ""),
    ],
)
def test_a_lock_file_is_for_its_pythons(pythons: str, runtimes: str) -> None:
    lockfile = parse(a_lock(main("a"), pythons=pythons))

    def admits_runtime(version: str) -> bool:
        try:
            return bool(chosen(lockfile, Target.of(f"python{version}", "x86_64")))
        except LockFileTargetError:
            return False

    assert [version for version in ("3.9", "3.13") if admits_runtime(version)] == runtimes.split()


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("*", [""]),
        ("x", [""]),
        ("1.2", ["==1.2"]),
        ("=1.2", ["==1.2"]),
        ("v1.2", ["==1.2"]),
        ("^1.2.3", [">=1.2.3,<2"]),
        ("^0.2.3", [">=0.2.3,<0.3"]),
        ("^0.0.3", [">=0.0.3,<0.0.4"]),
        ("^0.0", [">=0.0,<0.1"]),
        ("^0", [">=0,<1"]),
        ("^1!2.0", [">=1!2.0,<1!3"]),
        ("~1", [">=1,<2"]),
        ("~1.2.3", [">=1.2.3,<1.3"]),
        ("~=1", [">=1,<2"]),
        ("~=1.4.5", ["~=1.4.5"]),
        ("1.*", ["==1.*"]),
        ("!=1.2.*", ["!=1.2.*"]),
        (">=3.6.*", [">=3.6"]),
        (">= 2.7 , !=3.0.*,", [">=2.7,!=3.0.*"]),
        (">=1 <2", [">=1,<2"]),
        ("~2.7 || ^3.6|3.5", [">=2.7,<2.8", ">=3.6,<4", "==3.5"]),
    ],
)
def test_constraints_are_what_pep_440_calls_them(constraint: str, expected: list[str]) -> None:
    assert [specifier(clauses) for clauses in alternatives(constraint)] == expected


@pytest.mark.parametrize("text", ["^", "one", "1.0 - 2.0", "^1.2,,3", ">=1.0beta.x", "==1..2"])
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"onstraint|nvalid"):
        alternatives(text)


@pytest.mark.parametrize(
    ("constraint", "version", "expected"),
    [
        ("^1.0", "1.5+cpu", True),
        ("^1.0", "2.0a1", False),
        ("<1 || >2", "1.5", False),
        ("no constraint", "1.5", True),
        ("^1.0", "no version", True),
    ],
)
def test_a_constraint_admits_versions(constraint: str, version: str, expected: bool) -> None:  # noqa: FBT001
    assert admits(constraint, version) is expected


@pytest.mark.parametrize(
    ("constraint", "marker"),
    [
        ("*", None),
        ("~2.7 || *", None),
        ("3.9", 'python_full_version == "3.9.*"'),
        ("3.9.1", 'python_full_version == "3.9.1"'),
        ("^3.8", 'python_full_version >= "3.8" and python_full_version < "4"'),
        ("3.9.* || >3.11", '(python_full_version == "3.9.*") or (python_full_version > "3.11")'),
    ],
)
def test_a_constraint_on_python_is_a_marker(constraint: str, marker: str | None) -> None:
    assert python_marker(constraint) == marker


# --- whether the project has changed since ---

OWN = """
[tool.poetry]
name = "a"

[tool.poetry.dependencies]
python = "^3.9"
idna = "^3.11"

[tool.poetry.group.dev.dependencies]
pytest = "*"
"""
STANDARD = """
[project]
name = "a"
requires-python = ">=3.9"
dependencies = ["idna>=3.11"]

[dependency-groups]
dev = ["pytest"]

[tool.poetry]
package-mode = false
"""
# What these releases of Poetry compute.
OWN_1_1 = "4a0f2c1bf92aa690c024030550b872e4a555f3a284eddcef105fec50a811d421"
OWN_1_3 = "ec700a601e60683b90cdce52171370c3469147568bedf4bbe2fc1c633ba37c17"
STANDARD_2_2 = "eb18dc8f72f6012317e33a0e1b212f3263ca312da99ee674de1e65a21d61491e"
STANDARD_2_5 = "56a26010a25ea92350b8094cdf1d6f7f89121f2ca5f299a67069cbd428247bd8"


@pytest.mark.parametrize(
    ("project", "content_hash", "version", "poetry", "fresh"),
    [
        (OWN, OWN_1_1, "1.1", "", True),
        (OWN, OWN_1_3, "1.1", "", True),
        (OWN, OWN_1_1, "2.0", "", False),
        (OWN, OWN_1_3, "2.0", "1.8.5", True),
        (OWN, OWN_1_3, "2.1", "2.5.1", True),
        (STANDARD, STANDARD_2_2, "2.1", "2.2.1", True),
        (STANDARD, STANDARD_2_5, "2.1", "2.2.1", True),
        (STANDARD, STANDARD_2_5, "2.1", "2.5.1", True),
        (STANDARD, STANDARD_2_2, "2.1", "2.5.1", False),
        (STANDARD, STANDARD_2_2, "2.1", "", True),
        (STANDARD, STANDARD_2_2, "2.1", "of.today", True),
        (STANDARD.replace("3.11", "3.10"), STANDARD_2_5, "2.1", "2.5.1", False),
        (STANDARD.replace('name = "a"', 'name = "b"'), STANDARD_2_5, "2.1", "2.5.1", True),
        (OWN.replace('"*"', '"^8"'), OWN_1_3, "2.0", "1.8.5", False),
    ],
)
def test_a_project_that_has_changed_since_is_warned_about(
    project: str, content_hash: str, version: str, poetry: str, *, fresh: bool
) -> None:
    head = f"# This file is automatically generated by Poetry {poetry} and should not be changed by hand.\n"
    lock = a_lock(main("idna"), version=version, rest=f'content-hash = "{content_hash}"')
    found = parse(head + lock if poetry else lock, project).stale
    assert found == (() if fresh else ("`pyproject.toml` has changed since `poetry.lock` was made",))


def test_without_a_project_or_a_hash_there_is_no_warning() -> None:
    assert parse(a_lock(main("a"), rest='content-hash = "0"')).stale == ()
    assert parse(a_lock(main("a")), OWN).stale == ()


# --- what is wrong ---


@pytest.mark.parametrize("version", ["3.0", "10"])
def test_a_later_format_is_refused(version: str) -> None:
    error = refusal(a_lock(main("a"), version=version))
    assert isinstance(error, LockFileUnsupportedError)
    assert error.what == f"poetry.lock: metadata.lock-version is `{version}`; versions up to 2 are read"
    assert "poetry export" in error.hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[package]]\nname = 'a'", "poetry.lock: `metadata` is missing, which every lock file of Poetry has"),
        ("[[package]", "poetry.lock:1:"),
        (a_lock(main("a"), version="two"), "poetry.lock: metadata has a `lock-version` that is none: `two`"),
        (a_lock(main("a"), pythons="^"), "poetry.lock: metadata has `python-versions` that are none: `^`"),
        (a_lock(a_package("a")), "poetry.lock: package[0] is in no group: `groups` is missing"),
        (a_lock(main("a", "one")), "poetry.lock: package[0]"),
        (
            a_lock(main("a", "one"), rest="[metadata.files]\na = [{file = 'a-1.0.tar.gz', hash = ''}]"),
            "poetry.lock: package[0]",
        ),
        (a_lock(main("-")), "poetry.lock: package[0] has a name that is none: `-`"),
        (a_lock(main("a", body="markers = 'python'")), "poetry.lock: package[0] has a marker that is none: `python`"),
        (a_lock(main("a", body="markers = 3")), "poetry.lock: package[0].markers is a number, not a string"),
        (a_lock(main("a", body="files = [{}]")), "poetry.lock: package[0].files[0] `file` is missing"),
        (
            a_lock(main("a", body="files = [{file = 'a.zip', hash = 'sha256:1'}]")),
            "poetry.lock: package[0]: not a hash that pip takes",
        ),
        (
            a_lock(main("a", body="[package.source]\ntype = 'legacy'\nurl = 'https://'")),
            "poetry.lock: package[0].source has a `url` that is none: `https://`",
        ),
        (
            a_lock(main("a", body="[package.source]\ntype = 'git'")),
            "poetry.lock: package[0].source `url` is missing",
        ),
    ],
)
def test_what_poetry_does_not_write_is_an_error_with_its_place(text: str, what: str) -> None:
    error = refusal(text)
    assert isinstance(error, LockFileSyntaxError)
    assert error.what.startswith(what)


@pytest.mark.parametrize(
    ("project", "what"),
    [
        ("[tool.poetry", "pyproject.toml:1:"),
        (a_project("a = 3"), "pyproject.toml: tool.poetry.dependencies.a[0] is a number, not a table"),
        (a_project("a = {python = 'x.y'}"), "pyproject.toml: tool.poetry.dependencies.a[0] has a constraint on Python"),
        (a_project("a = {markers = 'x'}"), "pyproject.toml: tool.poetry.dependencies.a[0] has a marker that is none"),
        ("[project]\ndependencies = ['a=1']", "pyproject.toml: project has a requirement that is none: `a=1`"),
    ],
)
def test_what_is_wrong_with_the_project_is_told(project: str, what: str) -> None:
    error = refusal(GRAPH, project)
    assert isinstance(error, LockFileSyntaxError)
    assert error.what.startswith(what)


def test_credentials_in_urls_are_not_told() -> None:
    source = "[package.source]\ntype = 'legacy'\nurl = 'ftp://user:s3cret@index.example/simple'"
    assert "s3cret" not in str(refusal(a_lock(main("a", body=source))))
