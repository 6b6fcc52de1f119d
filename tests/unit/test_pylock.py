from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import rtoml
from packaging.markers import Environment
from packaging.pylock import Pylock, PylockSelectError
from packaging.utils import canonicalize_name

from python_layer_provider.errors import (
    InvalidInputError,
    LayerError,
    LockFileConflictError,
    LockFileSyntaxError,
    LockFileTargetError,
    LockFileUnsupportedError,
)
from python_layer_provider.lockfile import File, Lockfile, Pin, PythonBound
from python_layer_provider.lockfile.pylock import parse_pylock
from python_layer_provider.selection import select
from python_layer_provider.target import ARCHITECTURES, RUNTIMES, Target
from tests.unit.helpers import HASH, OTHER_HASH, TARGET, a_source, chosen

COMMIT = "0123456789abcdef0123456789abcdef01234567"
INDEX = "https://index.example/simple"
SHA, OTHER_SHA = HASH.removeprefix("sha256:"), OTHER_HASH.removeprefix("sha256:")
HEAD = {"lock-version": "1.0", "created-by": "uv"}
NOTHING: Mapping[str, Any] = {}


def a_file(name: str, sha: str = SHA, **others: Any) -> dict[str, Any]:
    """A wheel or an sdist."""
    return {"name": name, "url": f"https://files.example/{name}", "hashes": {"sha256": sha}, **others}


def a_package(name: str = "a", version: str = "1.0", **others: Any) -> dict[str, Any]:
    """A package of one pure wheel."""
    wheel = a_file(f"{name.replace('-', '_')}-{version}-py3-none-any.whl")
    return {"name": name, "version": version, "wheels": [wheel], **others}


def a_lock(*packages: Mapping[str, Any], **others: Any) -> str:
    """A pylock.toml; `_` in the names of keys stands for `-`."""
    keys = {key.replace("_", "-"): value for key, value in others.items()}
    # Inline tables throughout: TOML wants the plain keys first.
    data = {**HEAD, **keys, "packages": list(packages)}
    return "\n".join(f"{key} = {_inline(value)}" for key, value in data.items())


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(key)} = {_inline(one)}' for key, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value)


def parse(text: str, **others: Any) -> Lockfile:
    return parse_pylock(a_source(text, others.pop("label", "pylock.toml"), **others))


def pin(package: Mapping[str, Any], **others: Any) -> Pin:
    (only,) = parse(a_lock(package), **others).pins
    return only


def refusal(text: str, **others: Any) -> LayerError:
    with pytest.raises(LayerError) as caught:
        parse(text, **others)
    return caught.value


# --- packages ---


def test_a_package_is_a_pin() -> None:
    package = {
        "name": "foo-bar",
        "version": "1.0",
        "marker": "python_version>='3.9'",
        "requires-python": ">=3.8",
        "index": INDEX,
        "wheels": [
            a_file("foo_bar-1.0-cp313-cp313-manylinux_2_17_x86_64.whl", OTHER_SHA, size=7),
            a_file("foo_bar-1.0-py3-none-any.whl", "2" * 64),
        ],
        "sdist": a_file("foo_bar-1.0.tar.gz", size=9),
    }
    lockfile = parse(a_lock(package))
    assert lockfile.pins == (
        Pin(
            name=canonicalize_name("foo-bar"),
            version="1.0",
            specifier="==1.0",
            marker='python_version >= "3.9"',
            requires_python=">=3.8",
            hashes=(HASH, OTHER_HASH, f"sha256:{'2' * 64}"),
            files=(
                File(name="foo_bar-1.0-cp313-cp313-manylinux_2_17_x86_64.whl", size=7),
                File(name="foo_bar-1.0-py3-none-any.whl"),
                File(name="foo_bar-1.0.tar.gz", size=9),
            ),
            index=INDEX,
            where="pylock.toml: packages[0]",
        ),
    )
    assert (lockfile.closed, lockfile.roots) == (True, None)


def test_the_wheel_that_fits_the_target_is_selected() -> None:
    tags = ["cp313-cp313-macosx_11_0_arm64", "cp313-cp313-manylinux_2_17_aarch64", "cp312-cp312-manylinux_2_17_x86_64"]
    package = {"name": "a", "version": "1", "wheels": [a_file(f"a-1-{tag}.whl") for tag in tags]}
    lockfile = parse(a_lock(package))
    (arm,) = select(lockfile, Target.of("python3.13", "arm64")).pins[canonicalize_name("a")].files
    assert arm.name == "a-1-cp313-cp313-manylinux_2_17_aarch64.whl"
    with pytest.raises(LockFileTargetError, match=r"`a` 1 has wheels for python3.12 on x86_64, python3.13 on arm64"):
        select(lockfile, TARGET)


@pytest.mark.parametrize(
    "file",
    [
        {"url": "https://files.example/x/a-1.0+cpu-py3-none-any.whl"},
        {"url": "https://files.example/x/a-1.0%2Bcpu-py3-none-any.whl?sig=1"},
        {"url": "https://files.example/x", "path": "x/a-1.0+cpu-py3-none-any.whl"},
        {"url": "https://files.example/b-1-py3-none-any.whl", "name": "a-1.0+cpu-py3-none-any.whl"},
    ],
)
def test_a_file_has_its_name_in_its_path_or_url_where_it_has_none_else(file: Mapping[str, str]) -> None:
    one = pin({"name": "a", "version": "1.0+cpu", "wheels": [{**file, "hashes": {"sha256": SHA}}]})
    assert [file.name for file in one.files] == ["a-1.0+cpu-py3-none-any.whl"]


def test_an_sdist_has_its_name_in_its_url_too() -> None:
    sdist = {"url": "https://files.example/x/a-1.0%2Bcpu.tar.gz", "hashes": {"sha256": SHA}}
    assert [file.name for file in pin({"name": "a", "sdist": sdist}).files] == ["a-1.0+cpu.tar.gz"]


def test_without_a_version_the_names_of_the_files_tell_it() -> None:
    package = {"name": "a", "wheels": [a_file("a-1.0-py3-none-any.whl")], "sdist": a_file("a-1.0.tar.gz")}
    assert (pin(package).version, pin(package).specifier) == ("1.0", "==1.0")
    package["sdist"] = a_file("a-2.0.tar.gz")
    assert "files of 2 versions, and no `version`" in refusal(a_lock(package)).what


def test_the_hash_that_all_tools_write_is_taken_before_others() -> None:
    hashes = {"blake2b": "0", "sha512": "3" * 128, "sha256": SHA}
    assert pin({"name": "a", "sdist": a_file("a-1.tar.gz", hashes=hashes)}).hashes == (HASH,)
    del hashes["sha256"]
    assert pin({"name": "a", "sdist": a_file("a-1.tar.gz", hashes=hashes)}).hashes == (f"sha512:{'3' * 128}",)


@pytest.mark.parametrize(
    ("vcs", "url"),
    [
        ({"url": "https://git.example/o/r.git"}, f"git+https://git.example/o/r.git@{COMMIT}"),
        ({"url": "git@git.example:o/r.git"}, f"git+ssh://git@git.example/o/r.git@{COMMIT}"),
        (
            {"url": "ssh://git@git.example/o/r", "subdirectory": "py", "requested-revision": "main"},
            f"git+ssh://git@git.example/o/r@{COMMIT}#subdirectory=py",
        ),
        ({"type": "hg", "url": "https://hg.example/r"}, f"hg+https://hg.example/r@{COMMIT}"),
    ],
)
def test_a_repository_is_a_url_at_its_commit(vcs: Mapping[str, Any], url: str) -> None:
    one = pin({"name": "a", "version": "1", "vcs": {"type": "git", "commit-id": COMMIT, **vcs}})
    assert (one.url, one.version, one.locked) == (url, None, True)


def test_an_archive_is_a_url_with_its_hash() -> None:
    one = pin({"name": "a", "archive": a_file("a-1.0.zip", subdirectory="py")})
    assert (one.url, one.version, one.hashes) == ("https://files.example/a-1.0.zip#subdirectory=py", "1.0", (HASH,))


def test_an_archive_of_any_name_has_the_version_that_the_package_names() -> None:
    assert pin({"name": "a", "version": "2", "archive": a_file("main.zip")}).version == "2"


@pytest.mark.parametrize(
    ("package", "path", "hashes"),
    [
        ({"directory": {"path": ".", "editable": True}}, "app", ()),
        ({"directory": {"path": "../lib", "subdirectory": "py"}}, "lib/py", ()),
        ({"archive": {"path": "dist/a.zip", "hashes": {"sha256": SHA}}}, "app/dist/a.zip", (HASH,)),
        (
            {"wheels": [{"path": "./a-1-py3-none-any.whl", "hashes": {"sha256": SHA}}]},
            "app/a-1-py3-none-any.whl",
            (HASH,),
        ),
        ({"sdist": {"path": "/srv/a-1.tar.gz", "hashes": {"sha256": SHA}}}, "/srv/a-1.tar.gz", (HASH,)),
    ],
)
def test_paths_start_at_the_lock_file(package: Mapping[str, Any], path: str, hashes: tuple[str, ...]) -> None:
    one = pin({"name": "a", **package}, label="app/pylock.toml")
    assert (one.path, one.url, one.index, one.hashes) == (path, None, None, hashes)


def test_a_project_in_a_folder_tells_its_version_where_it_can() -> None:
    project = {"lib/pyproject.toml": '[project]\nname = "a"\nversion = "2.0"'}
    assert pin({"name": "a", "directory": {"path": "lib"}}, files=project).version == "2.0"


def test_a_local_wheel_has_to_fit_the_target() -> None:
    wheel = {"path": "a-1-cp313-cp313-win_amd64.whl", "hashes": {"sha256": SHA}}
    with pytest.raises(LockFileTargetError):
        select(parse(a_lock({"name": "a", "wheels": [wheel]})), TARGET)


def test_files_that_are_on_the_index_too_come_from_there() -> None:
    wheel = {"path": "a-1-py3-none-any.whl", "hashes": {"sha256": SHA}}
    assert pin({"name": "a", "index": INDEX, "wheels": [wheel]}).path is None


# --- markers, groups, extras ---

GROUPS = a_lock(
    a_package("main"),
    a_package("core", marker="'default' in dependency_groups"),
    a_package("test", marker="'Test_It' in dependency_groups"),
    a_package("fast", marker="'fast' in extras and python_version >= '3.10'"),
    a_package("both", marker="'fast' in extras or 'test-it' in dependency_groups"),
    a_package("slow", marker="extra == 'slow'"),
    extras=["fast", "slow"],
    dependency_groups=["Test_It"],
    default_groups=["default"],
)


@pytest.mark.parametrize(
    ("groups", "extras", "expected"),
    [
        ([], [], {"main", "core"}),
        (["test_it"], [], {"main", "core", "test", "both"}),
        (["default"], [], {"main", "core"}),
        ([], ["Fast"], {"main", "core", "fast", "both"}),
        ([], ["slow"], {"main", "core", "slow"}),
        (["Test-It"], ["fast", "slow"], {"main", "core", "test", "fast", "both", "slow"}),
    ],
)
def test_groups_add_to_the_default_ones_and_extras_to_nothing(
    groups: list[str], extras: list[str], expected: set[str]
) -> None:
    assert chosen(parse(GROUPS, groups=groups, extras=extras)).keys() == expected


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"groups": ["nope"]}, "no `nope` in the groups of `pylock.toml`, which has `Test_It`, `default`"),
        ({"extras": ["nope"]}, "no `nope` in the extras of `pylock.toml`, which has `fast`, `slow`"),
    ],
)
def test_an_unknown_group_or_extra_is_told_with_the_known_ones(asked: Mapping[str, Any], what: str) -> None:
    error = refusal(GROUPS, **asked)
    assert isinstance(error, InvalidInputError)
    assert (error.what, [error.input_name]) == (what, list(asked))


def test_the_file_may_be_for_some_targets_only() -> None:
    lockfile = parse(a_lock(a_package(), requires_python="==3.12.*", environments=["sys_platform=='linux'"]))
    assert lockfile.requires_python == (PythonBound(specifier="==3.12.*", where="pylock.toml"),)
    assert lockfile.environments == ('sys_platform == "linux"',)
    with pytest.raises(LockFileTargetError, match=r"is not for python3.13: it requires Python `==3.12"):
        select(lockfile, TARGET)


def test_two_packages_of_one_name_are_told_apart_by_markers() -> None:
    lock = a_lock(
        a_package("a", "1", marker="python_version < '3.13'"), a_package("a", "2", marker="python_version >= '3.12'")
    )
    assert chosen(parse(lock), Target.of("python3.11", "x86_64")) == {"a": "1"}
    assert chosen(parse(lock), Target.of("python3.13", "x86_64")) == {"a": "2"}
    with pytest.raises(LockFileConflictError, match=r"`a==1` at pylock.toml: packages\[0\] and `a==2` at pylock"):
        chosen(parse(lock), Target.of("python3.12", "x86_64"))


@pytest.mark.parametrize(
    ("created_by", "relock"),
    [
        ("uv", "uv export --format pylock.toml -o x/pylock.toml"),
        ("pip", "pip lock -r requirements.in -o x/pylock.toml"),
        ("PDM 2.26", "pdm export -f pylock -o x/pylock.toml"),
        ("poetry-plugin-export", "poetry export -f pylock.toml -o x/pylock.toml"),
        ("pipenv", "pipenv lock"),
        ("", "uv export --format pylock.toml -o x/pylock.toml"),
    ],
)
def test_what_made_the_file_makes_it_anew(created_by: str, relock: str) -> None:
    lock = a_lock(a_package()).replace('"uv"', f'"{created_by}"')
    assert parse(lock, label="x/pylock.toml").relock == relock


# --- what is wrong ---

# `packaging` reads it, and cannot write it.
NESTED = "".join(f"os_name == 'a' {'or' if i % 2 else 'and'} (" for i in range(400)) + "os_name == 'z'" + ")" * 400


@pytest.mark.parametrize("version", ["1.0", "1", "1.7"])
def test_every_version_1_is_read(version: str) -> None:
    assert chosen(parse(a_lock(a_package()).replace('"1.0"', f'"{version}"', 1))) == {"a": "1.0"}


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0", "x", ""])
def test_another_version_is_not_supported(version: str) -> None:
    error = refusal(a_lock(a_package()).replace('"1.0"', f'"{version}"', 1))
    assert isinstance(error, LockFileUnsupportedError)
    assert error.what == f"pylock.toml: lock-version is `{version}`; 1.0 is read"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("packages = [", "pylock.toml:1:"),
        ("<<<<<<< HEAD\n", "pylock.toml:1: a merge conflict"),
        ("", "pylock.toml: `lock-version` is missing"),
        ("lock-version = 1.0", "pylock.toml: lock-version is a number, not a string"),
        ('lock-version = "1.0"', "pylock.toml: created-by: missing required value"),
        ('lock-version = "1.0"\ncreated-by = "uv"', "pylock.toml: packages: missing required value"),
        (a_lock(1), "pylock.toml: packages[0] is a number, not a table"),  # type: ignore[arg-type]
        (a_lock(a_package(), environments=["x"]), "pylock.toml: environments[0]: expected "),
        (a_lock(a_package(), requires_python="x"), "pylock.toml: requires-python: invalid specifier: 'x'"),
        (a_lock(a_package(), {"name": "b"}), "pylock.toml: packages[1] (`b`): exactly one of vcs, "),
        (a_lock({"name": "A_b"}), "pylock.toml: packages[0].name (`A_b`): name 'A_b' is not normalized"),
        (a_lock(a_package(marker="(" * 5000)), "pylock.toml: packages[0].marker (`a`): "),
        (a_lock(a_package(marker=NESTED)), "pylock.toml: packages[0].marker"),
        (a_lock(a_package(marker="nope == '1'")), "pylock.toml: packages[0].marker (`a`): expected "),
        (a_lock(a_package(version="x")), "pylock.toml: packages[0].version (`a`): invalid version: 'x'"),
        (
            a_lock({"name": "a", "sdist": a_file("a-1.tar.gz", **{"upload-time": "2026-01-01"})}),
            "pylock.toml: packages[0].sdist.upload-time (`a`): unexpected type str",
        ),
        (a_lock({"name": "a", "sdist": a_file("b-1.tar.gz")}), "pylock.toml: packages[0].sdist (`a`): name in 'b-1."),
        (a_lock({"name": "a", "sdist": a_file("a-1.tar.gz", "0")}), "pylock.toml: packages[0]: not a hash that pip "),
        (a_lock(a_package(index="https:///")), "pylock.toml: packages[0].index: not a URL: `https:///`"),
        (a_lock({"name": "a", "archive": a_file("x y.zip")}), "pylock.toml: packages[0]: not a requirement"),
    ],
)
def test_what_breaks_a_rule_is_told_with_file_and_key(text: str, what: str) -> None:
    error = refusal(text)
    assert isinstance(error, LockFileSyntaxError)
    assert error.what.startswith(what)
    assert (bool(error.hint), error.input_name) == (True, "requirements")


@pytest.mark.parametrize(
    ("package", "what"),
    [
        (
            {"vcs": {"type": "cvs", "url": "https://x.example/r", "commit-id": "1"}},
            "packages[0].vcs: pip knows no `cvs`",
        ),
        (
            {"vcs": {"type": "git", "path": "../r", "commit-id": COMMIT}},
            "packages[0].vcs: `a` is in a repository on this machine",
        ),
        (
            {"vcs": {"type": "git", "url": "file:///srv/r", "commit-id": COMMIT}},
            "packages[0]: a repository on this machine",
        ),
        (
            {"archive": {"path": "a.zip", "subdirectory": "py", "hashes": {"sha256": SHA}}},
            "packages[0].archive: a folder within the file `a.zip`",
        ),
        ({"sdist": a_file("a-1.tar.gz", hashes={"md5": "0"})}, "packages[0]: no hash that pip takes, only `md5`"),
        ({"index": "file:///srv", "sdist": a_file("a-1.tar.gz")}, "packages[0].index is not an address that"),
        (
            {
                "sdist": a_file("a-1.tar.gz"),
                "wheels": [{"path": "a-1-py3-none-any.whl", "hashes": {"sha256": SHA}}],
            },
            "packages[0]: `a` has 2 files, and some are only on this machine",
        ),
    ],
)
def test_what_a_layer_cannot_be_built_from_is_refused(package: Mapping[str, Any], what: str) -> None:
    error = refusal(a_lock({"name": "a", **package}))
    assert isinstance(error, LockFileUnsupportedError)
    assert error.what.startswith(f"pylock.toml: {what}")
    assert (bool(error.hint), error.input_name) == (True, "requirements")


# --- against packaging itself ---

LOCKS = {
    "groups": GROUPS.replace("extra == 'slow'", "'slow' in extras"),
    "wheels": a_lock(
        {
            "name": "a",
            "version": "1",
            "wheels": [
                a_file("a-1-cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"),
                a_file("a-1-cp312-cp312-manylinux_2_28_aarch64.whl"),
                a_file("a-1-cp313-cp313-musllinux_1_2_x86_64.whl"),
                a_file("a-1-cp313-cp313t-manylinux_2_17_x86_64.whl"),
                a_file("a-1-cp313-cp313-manylinux_2_34_x86_64.whl"),
                a_file("a-1-py3-none-manylinux_2_17_aarch64.whl"),
            ],
        },
        {
            "name": "b",
            "version": "1",
            "wheels": [a_file("b-1-1-py2.py3-none-any.whl"), a_file("b-1-cp311-none-any.whl")],
        },
    ),
    "sdist": a_lock(
        {
            "name": "a",
            "version": "1",
            "wheels": [a_file("a-1-cp312-cp312-win_amd64.whl"), a_file("a-1-cp310-cp310-manylinux1_x86_64.whl")],
            "sdist": a_file("a-1.tar.gz"),
        },
        {"name": "b", "version": "2", "sdist": a_file("b-2.zip"), "marker": "platform_machine == 'aarch64'"},
    ),
    "forks": a_lock(
        a_package("a", "1", marker="python_full_version < '3.11'"),
        a_package("a", "2", marker="python_full_version == '3.11.*'"),
        a_package("a", "3", marker="python_full_version >= '3.12' and platform_machine == 'x86_64'"),
        a_package("a", "4", marker="python_version >= '3.12'"),
        requires_python=">=3.10",
        environments=["sys_platform == 'linux' and python_version < '3.14'", "sys_platform == 'win32'"],
    ),
    "bounds": a_lock(a_package("a", **{"requires-python": ">=3.11"}), a_package("b", marker="os_name == 'nt'")),
}


def as_packaging_selects(text: str, target: Target, extras: list[str]) -> dict[str, tuple[str | None, str]] | None:
    # All of the keys that a marker may name are there.
    environment: Environment = target.marker_environment()  # type: ignore[assignment]
    lock = Pylock.from_dict(rtoml.loads(text))
    try:
        chosen = list(lock.select(environment=environment, tags=list(target.tags()), extras=extras))
    except PylockSelectError:
        return None
    return {package.name: (str(package.version), file.filename) for package, file in chosen}  # type: ignore[union-attr]


def as_selected_here(text: str, target: Target, extras: list[str]) -> dict[str, tuple[str | None, str]] | None:
    try:
        pins = select(parse(text, extras=extras), target).pins
    except (LockFileConflictError, LockFileTargetError):
        return None
    return {name: (one.version, one.files[0].name) for name, one in pins.items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("lock", LOCKS)
def test_packaging_selects_the_same(lock: str, runtime: str, architecture: str) -> None:
    target = Target.of(runtime, architecture)
    for extras in [[], ["fast"]] if lock == "groups" else [[]]:
        assert as_selected_here(LOCKS[lock], target, extras) == as_packaging_selects(LOCKS[lock], target, extras)
