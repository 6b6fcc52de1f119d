from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from python_layer_provider.errors import (
    InvalidInputError,
    LayerError,
    LockFileConflictError,
    LockFileEmptyError,
    LockFileSyntaxError,
    LockFileTargetError,
    LockFileUnsupportedError,
)
from python_layer_provider.lockfile import File, Lockfile, Pin
from python_layer_provider.lockfile.uv import parse_uv
from python_layer_provider.selection import select
from python_layer_provider.target import Target
from tests.unit.helpers import TARGET, a_source, chosen

SHA = "a" * 64
OTHER_SHA = "b" * 64
COMMIT = "c" * 40
INDEX = "https://index.example/simple"
HEAD = 'version = 1\nrevision = 3\nrequires-python = ">=3.9"\n'
ROOT = '[[package]]\nname = "app"\nversion = "0.1.0"\nsource = { virtual = "." }\n'
NOTHING: Mapping[str, str] = {}
ARM = Target.of("python3.13", "arm64")


def package(name: str, version: str = "1.0", rest: str = "", *, source: str = f'registry = "{INDEX}"') -> str:
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ {source} }}\n{rest}\n'


def needs(*names: str, key: str = "dependencies") -> str:
    items = ", ".join(name if name.startswith("{") else f'{{ name = "{name}" }}' for name in names)
    return f"{key} = [{items}]\n"


def parse(text: str, files: Mapping[str, str] = NOTHING, label: str = "uv.lock", **others: Any) -> Lockfile:
    return parse_uv(a_source(text, label, files, **others))


def app(*packages: str, root: str = "", **others: Any) -> Lockfile:
    """The lock file of a project that needs what `root` says."""
    return parse("\n".join([HEAD, ROOT + root, *packages]), **others)


def pin(text: str, root: str | None = None, **others: Any) -> Pin:
    (found,) = (one for one in app(text, root=root or needs("a"), **others).pins if one.name == "a")
    return found


def names(lockfile: Lockfile, target: Target = TARGET) -> list[str]:
    return sorted(chosen(lockfile, target))


def refusal(text: str, **others: Any) -> LayerError:
    with pytest.raises(LayerError) as caught:
        parse(text, **others)
    return caught.value


# --- the graph ---


def test_a_project_is_left_out_and_what_it_needs_is_followed() -> None:
    lockfile = app(package("a", rest=needs("b")), package("b", "2.0"), package("unused"), root=needs("a"))
    assert chosen(lockfile) == {"a": "1.0", "b": "2.0"}


def test_a_pin_has_the_files_hashes_and_index_of_its_package() -> None:
    files = (
        f'sdist = {{ url = "https://files.example/x/a-1.0.tar.gz", hash = "sha256:{OTHER_SHA}", size = 7 }}\n'
        f'wheels = [{{ url = "https://files.example/y/a-1.0%2Bcpu-py3-none-any.whl?x#y", hash = "sha256:{SHA}" }}]'
    )
    one = pin(package("a", rest=files))
    assert (one.version, one.specifier, one.index) == ("1.0", "==1.0", INDEX)
    assert one.hashes == (f"sha256:{SHA}", f"sha256:{OTHER_SHA}")
    assert one.files == (File(name="a-1.0+cpu-py3-none-any.whl"), File(name="a-1.0.tar.gz", size=7))


def test_an_edge_with_version_and_marker_tells_forks_apart() -> None:
    edges = [
        f'{{ name = "a", version = "{version}", source = {{ registry = "{INDEX}" }}, marker = "{marker}" }}'
        for version, marker in (("1.0", "python_full_version < '3.12'"), ("2.0", "python_full_version >= '3.12'"))
    ]
    lockfile = app(package("a", "1.0"), package("a", "2.0"), root=needs(*edges))
    assert chosen(lockfile, Target.of("python3.11", "x86_64")) == {"a": "1.0"}
    assert chosen(lockfile, TARGET) == {"a": "2.0"}


def test_an_edges_source_tells_packages_of_one_version_apart() -> None:
    other = "https://index.example/other"
    edges = [
        f'{{ name = "a", version = "1.0", source = {{ registry = "{index}" }}, marker = "{marker}" }}'
        for index, marker in ((INDEX, "platform_machine == 'aarch64'"), (other, "platform_machine != 'aarch64'"))
    ]
    lockfile = app(package("a"), package("a", source=f'registry = "{other}"'), root=needs(*edges))
    found = [select(lockfile, target).pins for target in (TARGET, ARM)]
    assert [pins[one].index for pins in found for one in pins] == [other, INDEX]


def test_extras_of_a_package_bring_what_they_need() -> None:
    extras = "[package.optional-dependencies]\nx = [{ name = 'b' }]\ny = [{ name = 'c' }]"
    packages = [package("a", rest=extras), package("b"), package("c")]
    assert names(app(*packages, root=needs("a"))) == ["a"]
    assert names(app(*packages, root=needs('{ name = "a", extra = ["x"] }'))) == ["a", "b"]


def test_an_extra_that_only_another_target_needs_brings_nothing() -> None:
    extras = "[package.optional-dependencies]\nx = [{ name = 'b' }]"
    edge = "{ name = 'a', extra = ['x'], marker = \"platform_machine == 'aarch64'\" }"
    lockfile = app(package("a", rest=extras), package("b"), root=needs("a", edge))
    assert names(lockfile) == ["a"]
    assert names(lockfile, ARM) == ["a", "b"]


def test_extras_that_are_found_later_count_as_well() -> None:
    extras = "[package.optional-dependencies]\nx = [{ name = 'c' }]"
    lockfile = app(
        package("a", rest=extras),
        package("b", rest=needs('{ name = "a", extra = ["x"] }')),
        package("c"),
        root=needs("a", "b"),
    )
    assert names(lockfile) == ["a", "b", "c"]


def test_a_cycle_never_brings_the_project_but_its_extras() -> None:
    root = needs("a") + "[package.optional-dependencies]\nx = [{ name = 'b' }]"
    lockfile = app(package("a", rest=needs('{ name = "app", extra = ["x"] }')), package("b"), root=root)
    assert names(lockfile) == ["a", "b"]


def test_a_project_that_needs_nothing_has_no_roots() -> None:
    assert app().roots == ()


def test_what_is_needed_and_not_there_is_an_error() -> None:
    with pytest.raises(LockFileSyntaxError, match="needs `a`, which the lock file does not hold") as caught:
        chosen(app(root=needs("a")))
    assert caught.value.hint == "lock again: uv lock"


# --- groups and extras ---

GROUPED = (
    needs("a")
    + "[package.optional-dependencies]\nfast-json = [{ name = 'b' }]\n"
    + "[package.dev-dependencies]\ndev = [{ name = 'c' }]\nlint = [{ name = 'd' }]\n"
    + "[package.metadata]\nprovides-extras = ['empty', 'fast-json']\n"
    + "[package.metadata.requires-dev]\nnone = []\n"
)
ALL = [package(name) for name in "abcd"]


@pytest.mark.parametrize(
    ("groups", "extras", "expected"),
    [
        ((), (), ["a"]),
        (("dev",), (), ["a", "c"]),
        (("Lint", "dev"), ("Fast_JSON",), ["a", "b", "c", "d"]),
        (("none",), ("empty",), ["a"]),
    ],
)
def test_groups_and_extras_are_those_that_are_asked_for(
    groups: tuple[str, ...], extras: tuple[str, ...], expected: list[str]
) -> None:
    assert names(app(*ALL, root=GROUPED, groups=groups, extras=extras)) == expected


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ({"groups": ("test",)}, "no `test` in the groups of `uv.lock`, which has `dev`, `lint`, `none`"),
        ({"extras": ("test",)}, "no `test` in the extras of `uv.lock`, which has `empty`, `fast-json`"),
    ],
)
def test_an_unknown_group_or_extra_is_an_error_that_names_the_known(asked: dict[str, Any], known: str) -> None:
    with pytest.raises(InvalidInputError, match=known):
        app(*ALL, root=GROUPED, **asked)


# --- what excludes each other ---

CONFLICTING = (
    "conflicts = [[{ package = 'app', extra = 'cpu' }, { package = 'app', extra = 'gpu' }], "
    "[{ package = 'app', group = 'old' }, { package = 'app', extra = 'gpu' }]]\n"
)


def conflicting(**asked: Any) -> Lockfile:
    edges = [
        '{ name = "b", version = "1.0", marker = "extra == \'extra-3-app-cpu\'" }',
        '{ name = "b", version = "2.0", marker = "extra == \'extra-3-app-gpu\' or extra != \'extra-3-app-cpu\'" }',
        '{ name = "c", marker = "extra == \'group-3-app-old\'" }',
    ]
    root = needs("a") + (
        "[package.optional-dependencies]\ncpu = [{ name = 'b', version = '1.0' }]\n"
        "gpu = [{ name = 'b', version = '2.0' }]\n[package.dev-dependencies]\nold = []\n"
    )
    packages = [package("a", rest=needs(*edges)), package("b", "1.0"), package("b", "2.0"), package("c")]
    return parse("\n".join([HEAD + CONFLICTING, ROOT + root, *packages]), **asked)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {"a": "1.0", "b": "2.0"}),
        ({"extras": ["cpu"]}, {"a": "1.0", "b": "1.0"}),
        ({"extras": ["gpu"]}, {"a": "1.0", "b": "2.0"}),
        ({"groups": ["old"]}, {"a": "1.0", "b": "2.0", "c": "1.0"}),
    ],
)
def test_extras_and_groups_that_exclude_others_decide_on_edges_anywhere(
    asked: dict[str, Any], expected: dict[str, str]
) -> None:
    assert chosen(conflicting(**asked)) == expected


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"extras": ["cpu", "gpu"]}, "`cpu` of `app` and `gpu` of `app` exclude each other"),
        ({"groups": ["old"], "extras": ["gpu"]}, "`old` of `app` and `gpu` of `app` exclude each other"),
    ],
)
def test_what_excludes_each_other_cannot_be_asked_for_together(asked: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        conflicting(**asked)


def test_members_that_exclude_each_other_are_asked_for_one_at_a_time() -> None:
    conflicts = "conflicts = [[{ package = 'one' }, { package = 'two' }]]\n[manifest]\nmembers = ['one', 'two']\n"
    edge = "{ name = 'a', marker = \"extra == 'project-3-two'\" }"
    members = [package(name, rest=needs("b", edge), source=f"virtual = '{name}'") for name in ("one", "two")]
    text = "\n".join([HEAD + conflicts, *members, package("a"), package("b")])
    assert names(parse(text, member="one")) == ["b"]
    assert names(parse(text, member="two")) == ["a", "b"]
    assert refusal(text).what == "`one` and `two` exclude each other in `uv.lock`"


def test_a_group_of_that_name_in_another_member_excludes_nothing() -> None:
    conflicts = "conflicts = [[{ package = 'one', group = 'dev' }, { package = 'two', group = 'dev' }]]\n"
    group = needs("a") + "[package.dev-dependencies]\ndev = [{ name = 'b' }]"
    members = [package(name, rest=group, source=f"virtual = '{name}'") for name in ("one", "two")]
    manifest = "[manifest]\nmembers = ['one', 'two']\n"
    text = "\n".join([HEAD + conflicts + manifest, *members, package("a"), package("b")])
    assert names(parse(text, member="one", groups=["dev"])) == ["a", "b"]
    assert refusal(text, groups=["dev"]).what == "`dev` of `one` and `dev` of `two` exclude each other in `uv.lock`"


def shared(*edges: str) -> Lockfile:
    """A project that needs another one's extras, which exclude each other and decide what a third one needs."""
    conflicts = "conflicts = [[{ package = 'lib', extra = 'cpu' }, { package = 'lib', extra = 'gpu' }]]\n"
    extras = (
        "[package.optional-dependencies]\ncpu = [{ name = 'b', version = '1.0' }]\n"
        "gpu = [{ name = 'b', version = '2.0' }]\n"
    )
    forks = [
        '{ name = "b", version = "1.0", marker = "extra == \'extra-3-lib-cpu\'" }',
        '{ name = "b", version = "2.0", marker = "extra != \'extra-3-lib-cpu\'" }',
    ]
    packages = [package("a", rest=needs(*forks)), package("b", "1.0"), package("b", "2.0")]
    lib = package("lib", rest=extras)
    return parse("\n".join([HEAD + conflicts, ROOT + needs("a", *edges), lib, *packages]))


def of_lib(extra: str) -> str:
    return f'{{ name = "lib", extra = ["{extra}"], marker = "extra == \'extra-3-lib-{extra}\'" }}'


@pytest.mark.parametrize(("edges", "version"), [((), "2.0"), ((of_lib("cpu"),), "1.0"), ((of_lib("gpu"),), "2.0")])
def test_an_extra_that_excludes_others_is_seen_by_all_markers_once_anybody_needs_it(
    edges: Sequence[str], version: str
) -> None:
    assert chosen(shared(*edges))[canonicalize_name("b")] == version


def test_extras_that_exclude_each_other_and_are_both_needed_are_an_error() -> None:
    with pytest.raises(LockFileConflictError, match="`b` is asked for twice"):
        chosen(shared(of_lib("cpu"), of_lib("gpu")))


# --- workspaces and scripts ---

MEMBERS = "[manifest]\nmembers = ['app', 'one', 'two', 'three']\n"
WORKSPACE = [
    package("one", rest=needs("a", "app"), source="editable = 'packages/one'"),
    package("two", rest=needs("b", "one"), source="virtual = 'packages/two'"),
    package("three", rest=needs("two"), source="editable = 'packages/three'"),
    *(package(name) for name in "abc"),
]


def workspace(member: str, **others: Any) -> Lockfile:
    return parse("\n".join([HEAD, MEMBERS, ROOT + needs("c"), *WORKSPACE]), member=member, **others)


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        (".", ["c"]),
        ("packages/one", ["a", "c"]),
        ("packages/two", ["a", "b", "c", "one"]),
        ("packages/three", ["a", "b", "c", "one"]),
    ],
)
def test_a_member_is_left_out_and_others_that_it_needs_are_pins_unless_they_are_virtual(
    member: str, expected: list[str]
) -> None:
    assert names(workspace(member)) == expected


def test_a_members_path_starts_where_the_program_is() -> None:
    lockfile = workspace("packages/two", label="../api/uv.lock")
    assert [one.path for one in lockfile.pins if one.name == "one"] == ["../api/packages/one"]


def test_an_unknown_member_is_an_error_that_names_the_known() -> None:
    text = "\n".join([HEAD, MEMBERS, ROOT, *WORKSPACE])
    error = refusal(text, member="packages/four")
    expected = "no project at `packages/four` in `uv.lock`, which has `.`, `packages/one`, `packages/three`, "
    assert error.what.startswith(expected)


VIRTUAL = (
    "[manifest]\nmembers = ['one', 'two']\n[manifest.dependency-groups]\ntools = [{ name = 'c', extras = ['x'] }]\n"
)


def virtual_workspace(**asked: Any) -> Lockfile:
    extra = (
        "[package.optional-dependencies]\nmore = [{ name = 'd' }]\n[package.dev-dependencies]\ndev = [{ name = 'e' }]"
    )
    return parse(
        "\n".join(
            [
                HEAD,
                VIRTUAL,
                package("one", rest=needs("a") + extra, source="virtual = 'one'"),
                package("two", rest=needs("b"), source="editable = 'two'"),
                package("c", rest="[package.optional-dependencies]\nx = [{ name = 'f' }]"),
                *(package(name) for name in "abdef"),
            ]
        ),
        **asked,
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["a", "b", "two"]),
        ({"groups": ["tools"]}, ["a", "b", "c", "f", "two"]),
        ({"groups": ["dev"], "extras": ["more"]}, ["a", "b", "d", "e", "two"]),
        ({"member": "one"}, ["a"]),
    ],
)
def test_a_workspace_whose_root_is_no_project_is_its_members(asked: dict[str, Any], expected: list[str]) -> None:
    assert names(virtual_workspace(**asked)) == expected


GROUPS_ONLY = f"{HEAD}[manifest.dependency-groups]\ndev = [{{ name = 'a' }}]\n{package('a')}"


def test_a_lock_file_of_groups_only_wants_one_of_them() -> None:
    assert names(parse(GROUPS_ONLY, groups=["dev"])) == ["a"]
    error = refusal(GROUPS_ONLY)
    assert isinstance(error, LockFileEmptyError)
    assert error.hint == 'groups=["dev"]'


def test_a_script_needs_what_its_manifest_says_each_in_its_forks() -> None:
    manifest = (
        "[manifest]\nrequirements = [{ name = 'a', extras = ['x'], specifier = '<3' }, "
        "{ name = 'b', marker = \"python_full_version < '3.12'\" }]\n"
        "overrides = [{ name = 'b', specifier = '==1.0' }]\n"
    )
    extras = "[package.optional-dependencies]\nx = [{ name = 'c' }]"
    packages = [
        package("a", version, f'resolution-markers = ["python_full_version {fork}"]\n{extras}')
        for version, fork in (("1.0", "< '3.12'"), ("2.0", ">= '3.12'"))
    ]
    text = "\n".join([HEAD, manifest, *packages, package("b"), package("c")])
    lockfile = parse(text, label="jobs/sync.py.lock")
    assert chosen(lockfile) == {"a": "2.0", "c": "1.0"}
    assert chosen(lockfile, Target.of("python3.11", "x86_64")) == {"a": "1.0", "b": "1.0", "c": "1.0"}
    assert lockfile.relock == "uv lock --script sync.py"
    assert refusal(text, extras=["x"]).what == "no `x` in the extras of `uv.lock`, which has no extras"


# --- sources ---


@pytest.mark.parametrize(
    ("source", "url"),
    [
        (f"https://git.example/o/r.git?rev=v1#{COMMIT}", f"git+https://git.example/o/r.git@{COMMIT}"),
        (f"ssh://git@git.example/o/r#{COMMIT}", f"git+ssh://git@git.example/o/r@{COMMIT}"),
        (
            f"https://git.example/r?subdirectory=sdk%2Fpython&branch=main#{COMMIT}",
            f"git+https://git.example/r@{COMMIT}#subdirectory=sdk/python",
        ),
    ],
)
def test_a_repository_is_named_as_pip_takes_it(source: str, url: str) -> None:
    one = pin(package("a", source=f'git = "{source}"'))
    assert (one.url, one.version, one.specifier, one.locked) == (url, "1.0", "", True)


@pytest.mark.parametrize(
    ("place", "rest", "expected"),
    [
        (
            "url = 'https://files.example/a-1.0-py3-none-any.whl'",
            f"wheels = [{{ url = 'https://files.example/a-1.0-py3-none-any.whl', hash = 'sha256:{SHA}' }}]",
            ("https://files.example/a-1.0-py3-none-any.whl", None, "a-1.0-py3-none-any.whl"),
        ),
        (
            "url = 'https://files.example/a-1.0.tar.gz', subdirectory = 'py'",
            f"sdist = {{ hash = 'sha256:{SHA}' }}",
            ("https://files.example/a-1.0.tar.gz#subdirectory=py", None, "a-1.0.tar.gz"),
        ),
        (
            "path = '../files/a-1.0-py3-none-any.whl'",
            f"wheels = [{{ filename = 'a-1.0-py3-none-any.whl', hash = 'sha256:{SHA}' }}]",
            (None, "files/a-1.0-py3-none-any.whl", "a-1.0-py3-none-any.whl"),
        ),
        ("path = 'a-1.0.tar.gz'", f"sdist = {{ hash = 'sha256:{SHA}' }}", (None, "app/a-1.0.tar.gz", "a-1.0.tar.gz")),
        (
            "registry = 'files'",
            f"wheels = [{{ path = 'a-1.0-py3-none-any.whl', hash = 'sha256:{SHA}' }}]",
            (None, "app/files/a-1.0-py3-none-any.whl", "a-1.0-py3-none-any.whl"),
        ),
    ],
)
def test_a_direct_file_is_named_with_its_hash(
    place: str, rest: str, expected: tuple[str | None, str | None, str]
) -> None:
    one = pin(package("a", rest=rest, source=place), label="app/uv.lock")
    assert (one.url, one.path, one.files[0].name) == expected
    assert (one.hashes, one.index, one.specifier) == ((f"sha256:{SHA}",), None, "")


@pytest.mark.parametrize("kind", ["directory", "editable"])
def test_a_folder_is_a_path_and_need_not_have_a_version(kind: str) -> None:
    text = f"[[package]]\nname = 'a'\nsource = {{ {kind} = '../lib' }}\n"
    one = pin(text, label="app/uv.lock")
    assert (one.path, one.version, one.files, one.virtual) == ("lib", None, (), False)


def test_a_wheel_at_a_path_has_to_fit_the_target() -> None:
    wheel = "a-1.0-cp311-cp311-win_amd64.whl"
    rest = f"wheels = [{{ filename = '{wheel}', hash = 'sha256:{SHA}' }}]"
    with pytest.raises(LockFileTargetError, match="1 of 1 pins have no file"):
        chosen(app(package("a", rest=rest, source=f"path = '{wheel}'"), root=needs("a")))


def test_hashes_that_pip_does_not_take_are_left_out() -> None:
    rest = f"sdist = {{ url = 'https://files.example/a-1.0.tar.gz', hash = 'md5:{'0' * 32}' }}"
    assert pin(package("a", rest=rest)).hashes == ()


# --- for whom it is ---


def test_the_pythons_of_lock_file_and_project_both_count() -> None:
    lockfile = app(package("a"), root=needs("a"), files={"pyproject.toml": "[project]\nrequires-python = '<3.12'"})
    assert [(one.specifier, one.where) for one in lockfile.requires_python] == [
        (">=3.9", "uv.lock"),
        ("<3.12", "pyproject.toml"),
    ]
    with pytest.raises(LockFileTargetError, match=r"pyproject.toml requires Python `<3.12`"):
        select(lockfile, TARGET)


def test_the_environments_that_the_project_supports_count() -> None:
    supported = "supported-markers = [\"platform_machine == 'x86_64'\", \"sys_platform == 'darwin'\"]\n"
    required = "required-markers = [\"sys_platform == 'win32'\"]\n"
    lockfile = parse(HEAD + supported + required + ROOT + needs("a") + package("a"))
    assert names(lockfile) == ["a"]
    with pytest.raises(LockFileTargetError, match=r"is not for python3\.13 on arm64"):
        select(lockfile, ARM)


def test_a_lock_file_holds_all_there_is_to_install() -> None:
    lockfile = app(package("a"), root=needs("a"))
    assert (lockfile.closed, lockfile.relock) == (True, "uv lock")


# --- the project beside it ---

METADATA = """
[package.metadata]
requires-dist = [
    { name = "a", extras = ["x"], marker = "python_full_version < '3.12'", specifier = ">=1,<2" },
    { name = "b", marker = "extra == 'fast-json'" },
    { name = "lib", directory = "../lib" },
]
[package.metadata.requires-dev]
dev = [{ name = "c", specifier = "~=1.0" }, { name = "d" }]
lint = [{ name = "d" }]
"""
PYPROJECT = """
[project]
dependencies = ["A[X] <2, >=1 ; python_version < '3.12'", "lib>=3"]
[project.optional-dependencies]
Fast_JSON = ["b"]
[dependency-groups]
dev = ["c~=1.0", { include-group = "Lint" }]
lint = ["d"]
[tool.uv.sources]
lib = { path = "../lib" }
"""


def warnings(pyproject: str, metadata: str = METADATA) -> tuple[str, ...]:
    root = needs("a") + metadata
    return app(package("a"), root=root, files={"pyproject.toml": pyproject}).stale


def test_a_project_that_asks_for_the_same_in_other_words_has_not_changed() -> None:
    assert warnings(PYPROJECT) == ()


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("<2, >=1", "<3, >=1", "`a`"),
        ("A[X]", "A", "`a`"),
        ('"lib>=3"', '"lib>=3", "e"', "`e`"),
        ('["b"]', "[]", "`b`"),
        ('"c~=1.0"', '"c~=1.1"', "`c`"),
        ('["d"]', '["f"]', "`d`, `f`"),
        ('["b"]', '["b @ https://files.example/b.zip", "g"]', "`g`"),
        ("[tool.uv.sources]", "[tool.uv]\ndev-dependencies = ['h']\n[tool.uv.sources]", "`h`"),
    ],
)
def test_a_project_that_has_changed_since_is_a_warning_that_names_what(old: str, new: str, changed: str) -> None:
    assert old in PYPROJECT
    (warning,) = warnings(PYPROJECT.replace(old, new))
    assert warning == f"`pyproject.toml` has changed since `uv.lock` was made: {changed}"


@pytest.mark.parametrize(
    "pyproject",
    [
        "[tool.poetry]\nname = 'app'",
        PYPROJECT.replace(
            'dependencies = ["A[X] <2, >=1 ; python_version < \'3.12\'", "lib>=3"]', "dynamic = ['dependencies']"
        ),
        PYPROJECT.replace('"lib>=3"', '"lib>=3", "not a requirement"'),
    ],
    ids=["of another tool", "dynamic", "one that uv refuses itself"],
)
def test_a_project_that_does_not_say_what_it_asks_for_has_not_changed(pyproject: str) -> None:
    assert warnings(pyproject) == ()


def test_groups_that_include_each_other_end() -> None:
    circle = PYPROJECT.replace('lint = ["d"]', 'lint = ["d", { include-group = "dev" }]')
    assert warnings(circle) == ("`pyproject.toml` has changed since `uv.lock` was made: `c`",)


def test_an_old_lock_file_without_metadata_raises_no_alarm() -> None:
    assert warnings(PYPROJECT, metadata="") == ()


def test_a_members_own_pyproject_counts() -> None:
    files = {"packages/one/pyproject.toml": "[project]\ndependencies = ['z']\n", "pyproject.toml": "[project]\n"}
    root = package(
        "one",
        rest=needs("a") + "[package.metadata]\nrequires-dist = [{ name = 'a' }]\n",
        source="editable = 'packages/one'",
    )
    lockfile = parse("\n".join([HEAD, root, package("a")]), files, member="packages/one")
    assert lockfile.stale == ("`packages/one/pyproject.toml` has changed since `uv.lock` was made: `a`, `z`",)


# --- what cannot be read ---


def test_another_version_of_the_format_is_not_read() -> None:
    error = refusal("version = 2\n")
    assert isinstance(error, LockFileUnsupportedError)
    assert error.what == "`uv.lock` is of version 2 of uv's format, and only version 1 is read"
    assert error.hint.startswith("uv export ")


def test_a_newer_revision_of_the_format_is_read() -> None:
    assert names(parse(f"version = 1\nrevision = 99\nnew = true\n{ROOT}{needs('a')}{package('a')}")) == ["a"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "uv.lock: `version` is missing, which every lock file of uv has"),
        (HEAD + package("a"), "uv.lock: holds packages, but no project that needs them"),
        (HEAD + "[[package]]\nversion = '1'", "uv.lock: package[0] `name` is missing"),
        (HEAD + package("../a"), "uv.lock: package[0] has a name that is none: `../a`"),
        (HEAD + "package = 1", "uv.lock: package is a number, not an array"),
        (HEAD + "conflicts = 1\n" + ROOT, "uv.lock: `conflicts` is not an array"),
        (HEAD + ROOT + needs("a") + package("a", "x y"), "uv.lock: package[1] has a version that is none: `x y`"),
        (HEAD + ROOT + needs("a") + package("a", ""), "uv.lock: package[1] `version` is missing"),
        (HEAD + ROOT + needs("a") + package("a", source="moon = 1"), "uv.lock: package[1].source is of a kind that"),
        (
            HEAD + ROOT + needs("a") + package("a", source="git = 'https://u:p@h/r'"),
            "names no commit: `https://****@h/r`",
        ),
        (HEAD + ROOT + needs("a") + package("a", source="path = 'a.zip', subdirectory = 'x'"), "is a folder within an"),
        (
            HEAD + ROOT + needs("{ name = 'a', marker = '(' }"),
            "uv.lock: package[0].dependencies[0] has a marker that is",
        ),
        (
            HEAD + ROOT + needs("a") + package("a", rest="sdist = { url = 'x', hash = 'sha256:1' }"),
            "uv.lock: package[1].sdist has a hash that is none: `sha256:1`",
        ),
        (
            HEAD
            + ROOT
            + needs("a")
            + package("a", source="registry = 'f'", rest="wheels = [{ path = 'x' }, { path = 'y' }]"),
            "uv.lock: package[1]: `a` is one of 2 files in the folder `f`",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_key(text: str, what: str) -> None:
    error = refusal(text)
    assert what in error.what
    assert error.hint
    assert error.input_name == "requirements"


def test_packages_that_are_not_needed_may_be_as_they_like() -> None:
    assert names(app(package("a"), package("b", source="registry = 'folder'"), root=needs("a"))) == ["a"]


def test_a_pyproject_that_is_no_toml_is_an_error_that_names_its_line() -> None:
    assert "pyproject.toml:2:" in refusal(HEAD + ROOT, files={"pyproject.toml": "[project]\nname"}).what
