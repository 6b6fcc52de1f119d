from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import NormalizedName

from python_layer_provider.errors import (
    InputError,
    LockFileConflictError,
    LockFileEmptyError,
    LockFileStaleError,
    NotLockedError,
)
from python_layer_provider.lockfile import File, IndexOptions, Pin, PythonBound, read_lockfile
from python_layer_provider.plan import LayerPlan, lock_advice, lock_warnings, make_plan
from python_layer_provider.target import Target
from tests.unit.helpers import HASH, OTHER_HASH, TARGET, a_lockfile, a_pin, a_plan

Planned = Callable[..., LayerPlan]
ARM = Target.of("python3.13", "arm64")
LOOSE = a_pin("flask", None, hashes=())


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    """A plan from the text of a requirements file."""

    def plan(text: str, target: Target = TARGET, **others: Any) -> LayerPlan:
        (tmp_path / "requirements.txt").write_bytes(text.encode())
        return make_plan(read_lockfile("requirements.txt", base=tmp_path, environ={}), target, **others)

    return plan


def hash_of(*pins: Pin, **others: Any) -> str:
    return make_plan(a_lockfile(*pins, **others), TARGET).content_hash()


# Recipe 1 is a contract: these never change, or every layer of every stack is replaced.


def test_recipe_1_of_one_pin() -> None:
    canonical = (
        f'{{"architecture":"x86_64","pins":[{{"hashes":["{HASH}"],"name":"idna","version":"3.11"}}],"python":"3.13"}}'
    )
    assert a_plan().content_hash(1) == f"1:{sha256(canonical.encode()).hexdigest()}"


def test_recipe_1_of_a_plan_that_has_everything() -> None:
    plan = a_plan(
        a_pin("b", None, url="git+https://user:secret@host/b@v1", extras=("x", "y"), hashes=(), where="r.txt:1"),
        a_pin("c", None, specifier=">=2", hashes=(), config_settings=("a=1", "b=2")),
        target=Target.of("python3.12", "arm64"),
        constraints=(a_pin("d", "4", hashes=(OTHER_HASH,)),),
        image="corp/build:1",
        index=IndexOptions(
            index_url="https://t@corp/simple",
            pre=True,
            prefer_binary=True,
            no_binary=("b",),
            only_binary=("c", "d"),
        ),
    )
    assert plan.content_hash(1) == "1:d1aeaf79e56aea23e8c3a4ee038f940c327e03ebd21a429b7e9364a83fc11ff1"


def test_recipe_1_of_a_lock_file(planned: Planned) -> None:
    text = f"""
        --only-binary :all:
        Requests[socks] == 2.32.3 ; python_version >= "3.8" --hash={OTHER_HASH} --hash={HASH}
        certifi==2025.1.31 --hash={HASH}  # via requests
        colorama==0.4.6 ; sys_platform == "win32" --hash={HASH}
    """
    assert planned(text).content_hash(1) == "1:2379018170b3a09f297e8022f7b79d9cc2e5ac5bfc63d1b03f34011009486223"


def test_a_hash_names_its_recipe() -> None:
    assert a_plan().content_hash().startswith("1:")


# What is selected.


def test_pins_are_sorted_and_their_markers_spent() -> None:
    pins = [a_pin("b", marker='sys_platform == "linux"'), a_pin("a")]
    assert make_plan(a_lockfile(*pins), TARGET).pins == (a_pin("a"), a_pin("b"))


@pytest.mark.parametrize(
    ("marker", "target", "selected"),
    [
        ('sys_platform == "win32"', TARGET, False),
        ('python_version >= "3.13"', TARGET, True),
        ('python_version >= "3.13"', Target.of("python3.12", "x86_64"), False),
        ('platform_machine == "aarch64"', ARM, True),
        ('platform_machine == "aarch64"', TARGET, False),
        ('extra == "dev"', TARGET, False),
    ],
)
def test_a_marker_is_evaluated_for_the_target(marker: str, target: Target, *, selected: bool) -> None:
    plan = make_plan(a_lockfile(a_pin("always"), a_pin("sometimes", marker=marker)), target)
    assert ("sometimes" in plan.packages) is selected


def test_nothing_for_the_target_is_an_error_that_names_file_and_target() -> None:
    with pytest.raises(LockFileEmptyError, match=r"`requirements.txt` pins nothing for python3.13 on arm64") as caught:
        make_plan(a_lockfile(a_pin(marker='os_name == "nt"')), ARM)
    assert caught.value.input_name == "requirements"


def test_packages_show_what_the_lock_file_says() -> None:
    plan = a_plan(
        a_pin("a", "1"),
        a_pin("b", None, specifier=">=2"),
        a_pin("c", None),
        a_pin("d", None, url="git+https://user:secret@host/d@v1"),
    )
    assert plan.packages == {"a": "1", "b": ">=2", "c": "*", "d": "git+https://host/d@v1"}


def test_a_pin_that_stands_twice_is_one_with_the_hashes_and_extras_of_both() -> None:
    twice = a_lockfile(a_pin(extras=("b",)), a_pin(extras=("a",), hashes=(OTHER_HASH,)))
    assert make_plan(twice, TARGET).pins == (a_pin(extras=("a", "b"), hashes=(HASH, OTHER_HASH)),)


def test_two_versions_for_one_target_are_a_conflict_that_names_both_lines() -> None:
    pins = [a_pin("idna", "3.10", where="a.txt:1"), a_pin("idna", "3.11", where="b.txt:2")]
    with pytest.raises(LockFileConflictError) as caught:
        make_plan(a_lockfile(*pins), TARGET)
    assert "`idna==3.10` at a.txt:1 and `idna==3.11` at b.txt:2" in caught.value.what


def test_two_versions_for_two_targets_are_no_conflict() -> None:
    pins = [
        a_pin("idna", "3.10", marker='platform_machine == "aarch64"'),
        a_pin("idna", "3.11", marker='platform_machine != "aarch64"'),
    ]
    assert make_plan(a_lockfile(*pins), TARGET).packages == {"idna": "3.11"}
    assert make_plan(a_lockfile(*pins), ARM).packages == {"idna": "3.10"}


def test_a_conflict_of_urls_tells_no_credentials() -> None:
    pins = [a_pin(version=None, url=f"https://user:hunter2@host/idna-{n}.zip") for n in range(2)]
    with pytest.raises(LockFileConflictError) as caught:
        make_plan(a_lockfile(*pins), TARGET)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("marker", ['os_name ~= "posix"', '"x" in extras'])
def test_a_marker_that_cannot_be_evaluated_is_an_error_of_ours(planned: Planned, marker: str) -> None:
    with pytest.raises(InputError, match=r"requirements\.txt:1"):
        planned(f"idna==3.11; {marker}\n")


# Constraints.


def test_a_constraint_gives_its_version_to_a_requirement_without_one() -> None:
    lockfile = a_lockfile(LOOSE, constraints=(a_pin("flask", "3.1", hashes=()),))
    assert make_plan(lockfile, TARGET).packages == {"flask": "3.1"}


def test_a_constraint_brings_its_hashes() -> None:
    plan = make_plan(a_lockfile(LOOSE, constraints=(a_pin("flask", "3.1"),)), TARGET)
    assert plan.pins[0].hashes == (HASH,)
    assert plan.complete


def test_a_constraint_moves_no_pin() -> None:
    lockfile = a_lockfile(a_pin(), constraints=(a_pin("idna", "3.12", hashes=(OTHER_HASH,)),))
    assert make_plan(lockfile, TARGET).pins == (a_pin(),)


def test_constraints_are_left_to_pip_while_something_is_left_to_resolve() -> None:
    lockfile = a_lockfile(LOOSE, constraints=(a_pin("werkzeug"), a_pin("click"), a_pin("x", marker='os_name == "nt"')))
    assert make_plan(lockfile, TARGET).constraints == (a_pin("click"), a_pin("werkzeug"))


def test_constraints_mean_nothing_to_a_complete_lock() -> None:
    lockfile = a_lockfile(a_pin(), constraints=(a_pin("werkzeug"),))
    assert make_plan(lockfile, TARGET).constraints == ()


def test_a_range_constrains_a_requirement_without_a_version() -> None:
    lockfile = a_lockfile(LOOSE, constraints=(a_pin("flask", None, specifier="<3", hashes=()),))
    plan = make_plan(lockfile, TARGET)
    assert any(pin.name == "flask" and pin.specifier == "<3" for pin in (*plan.pins, *plan.constraints))


# What moves the hash, and what does not.


def test_comments_order_line_ends_and_spacing_do_not_matter(planned: Planned) -> None:
    plain = planned("idna==3.11\nsix==1.17.0\n")
    other = planned("# a comment\r\nSIX == 1.17.0   # via nothing\r\n\r\nidna==3.11\r\n")
    assert other.content_hash() == plain.content_hash()


def test_the_order_of_hashes_does_not_matter(planned: Planned) -> None:
    one = planned(f"idna==3.11 --hash={HASH} --hash={OTHER_HASH}")
    other = planned(f"idna==3.11 \\\n    --hash={OTHER_HASH} \\\n    --hash={HASH}\n")
    assert one.content_hash() == other.content_hash()


def test_a_pin_for_windows_does_not_matter(planned: Planned) -> None:
    with_windows = planned('idna==3.11\npywin32==311; sys_platform == "win32"\n')
    assert with_windows.content_hash() == planned("idna==3.11\n").content_hash()


def test_the_place_of_a_pin_does_not_matter() -> None:
    assert hash_of(a_pin(where="a.txt:1")) == hash_of(a_pin(where="/home/me/b.txt:7"))


def test_extras_do_not_matter_to_a_complete_lock() -> None:
    assert hash_of(a_pin(extras=("socks",))) == hash_of(a_pin())


def test_extras_matter_while_pip_resolves() -> None:
    assert hash_of(a_pin(hashes=(), extras=("socks",))) != hash_of(a_pin(hashes=()))


def test_where_pip_looks_does_not_matter() -> None:
    index = IndexOptions(
        index_url="https://a/",
        extra_index_urls=("https://b/",),
        find_links=("https://c/",),
        trusted_hosts=("d",),
        no_index=True,
        require_hashes=True,
    )
    assert hash_of(a_pin(), index=index) == hash_of(a_pin())


def test_credentials_do_not_matter() -> None:
    urls = ["https://host/i.zip", "https://token@host/i.zip", "https://user:pass@host/i.zip"]
    assert len({hash_of(a_pin(version=None, url=url)) for url in urls}) == 1


@pytest.mark.parametrize(
    "changed",
    [
        a_pin("idna", "3.12"),
        a_pin("idnb", "3.11"),
        a_pin(hashes=(OTHER_HASH,)),
        a_pin(hashes=(HASH, OTHER_HASH)),
        a_pin(hashes=()),
        a_pin(config_settings=("a=1",)),
        a_pin(version=None, url="https://host/idna.zip"),
        a_pin(version=None, specifier=">=3"),
    ],
)
def test_what_pip_installs_matters(changed: Pin) -> None:
    assert hash_of(changed) != hash_of(a_pin())


def test_another_host_or_path_of_a_url_matters() -> None:
    urls = ["https://host/i.zip", "https://other/i.zip", "https://host/j.zip", "git+https://host/i.zip"]
    assert len({hash_of(a_pin(version=None, url=url)) for url in urls}) == len(urls)


def test_the_order_of_config_settings_matters() -> None:
    assert hash_of(a_pin(config_settings=("a=1", "a=2"))) != hash_of(a_pin(config_settings=("a=2", "a=1")))


@pytest.mark.parametrize(
    "index",
    [
        IndexOptions(pre=True),
        IndexOptions(prefer_binary=True),
        IndexOptions(no_binary=("idna",)),
        IndexOptions(only_binary=(":all:",)),
    ],
)
def test_what_pip_takes_matters(index: IndexOptions) -> None:
    assert hash_of(a_pin(), index=index) != hash_of(a_pin())


def test_a_constraint_matters_while_pip_resolves() -> None:
    assert hash_of(LOOSE, constraints=(a_pin("click"),)) != hash_of(LOOSE)


def test_python_architecture_and_image_matter() -> None:
    plans = [
        a_plan(),
        a_plan(target=ARM),
        a_plan(target=Target.of("python3.12", "x86_64")),
        a_plan(image="corp/build:1"),
        a_plan(image="corp/build:2"),
    ]
    assert len({plan.content_hash() for plan in plans}) == len(plans)


# What is not locked.


@pytest.mark.parametrize(
    ("pin", "line"),
    [
        (a_pin("flask", None, specifier=">=3", hashes=(), where="r.txt:1"), "`flask>=3` has no version: r.txt:1"),
        (a_pin("flask", hashes=(), where="r.txt:2"), "`flask==3.11` has no hash: r.txt:2"),
        (
            a_pin("flask", None, url="https://u:p@h/f.zip", hashes=(), where="r.txt:3"),
            "`flask @ https://****@h/f.zip` has no hash: r.txt:3",
        ),
    ],
)
def test_advice_names_what_is_not_locked(pin: Pin, line: str) -> None:
    assert lock_advice(a_plan(a_pin(), pin)) == f"1 of 2 requirements are not locked:\n    {line}"


def test_there_is_no_advice_where_all_is_locked() -> None:
    assert a_plan().reproducible
    assert (lock_advice(a_plan()), lock_warnings(a_lockfile(), a_plan())) == ("", [])


def test_advice_shows_ten_lines_and_counts_the_rest() -> None:
    advice = lock_advice(a_plan(*(a_pin(f"p{n:02}", hashes=()) for n in range(12)))).splitlines()
    assert len(advice) == 12
    assert advice[-1] == "    and 2 more"


def test_a_warning_ends_with_the_command_that_locks() -> None:
    (warning,) = lock_warnings(a_lockfile(), a_plan(LOOSE))
    assert warning.splitlines()[-1].startswith("hint: uv pip compile --generate-hashes ")


def test_a_url_that_no_tool_can_lock_is_told_with_what_to_write() -> None:
    lockfile = a_lockfile(a_pin(version=None, hashes=(), url="https://h.example/a-1.zip"), closed=True)
    (warning,) = lock_warnings(lockfile, make_plan(lockfile, TARGET))
    assert warning.splitlines()[-1].startswith("hint: end the URL in a whole commit")


def test_strict_makes_the_advice_an_error() -> None:
    with pytest.raises(NotLockedError, match="1 of 2 requirements are not locked") as caught:
        make_plan(a_lockfile(a_pin(), LOOSE), TARGET, strict=True)
    assert caught.value.input_name == "requirements"


def test_a_file_may_ask_for_hashes_itself() -> None:
    with pytest.raises(NotLockedError):
        make_plan(a_lockfile(a_pin(), LOOSE, index=IndexOptions(require_hashes=True)), TARGET)


def test_strict_takes_a_locked_file() -> None:
    assert make_plan(a_lockfile(a_pin()), TARGET, strict=True) == a_plan()


def test_one_hash_makes_a_lock_complete() -> None:
    assert a_plan(a_pin(), LOOSE).complete
    assert not a_plan(a_pin(hashes=()), LOOSE).complete


# Secrets.


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("https://user:hunter2@host/", {"hunter2", "user:hunter2"}),
        ("https://token@host/", {"token"}),
        ("https://user:p%40ss@host/", {"p%40ss", "p@ss", "user:p%40ss"}),
        ("https://host/", set()),
        ("git+ssh://git@host/repo", set()),
        ("https://[no-address/", set()),
    ],
)
def test_secrets_are_the_credentials_of_all_urls(url: str, secrets: set[str]) -> None:
    assert set(a_plan(a_pin(version=None, url=url)).secrets) == secrets
    for index in (IndexOptions(index_url=url), IndexOptions(extra_index_urls=(url,)), IndexOptions(find_links=(url,))):
        assert set(a_plan(index=index).secrets) == secrets


def test_longer_secrets_come_first() -> None:
    found = a_plan(index=IndexOptions(index_url="https://user:secret@host/", find_links=("https://se@h/",))).secrets
    assert found == ("user:secret", "secret", "se")


# As text.


def test_a_plan_survives_as_text() -> None:
    plan = a_plan(
        a_pin(extras=("a",), config_settings=("k=v",), where="r.txt:1"),
        replace(LOOSE, name=NormalizedName("z")),
        constraints=(a_pin("c"),),
        index=IndexOptions(no_binary=(":all:",), pre=True),
        image="corp/build:1",
    )
    assert LayerPlan.from_json(plan.to_json()) == plan


# --- what formats tell beyond requirements files ---

COMMIT = "1" * 40


@pytest.mark.parametrize(
    ("pin", "locked"),
    [
        (a_pin(), True),
        (a_pin(hashes=()), False),
        (a_pin(version=None, specifier=">=1"), False),
        (a_pin(version=None, hashes=(), url=f"git+https://h.example/a.git@{COMMIT}"), True),
        (a_pin(version=None, hashes=(), url=f"git+https://h.example/a.git@{COMMIT}#subdirectory=b"), True),
        (a_pin(version=None, hashes=(), url="git+https://h.example/a.git@v1.0"), False),
        (a_pin(version=None, hashes=(), url="https://h.example/a-1.zip"), False),
        (a_pin(version=None, hashes=(), path="lib"), True),
    ],
)
def test_what_names_contents_is_locked(pin: Pin, *, locked: bool) -> None:
    assert a_plan(pin).reproducible is locked


def test_a_closed_lock_file_leaves_nothing_to_resolve() -> None:
    assert make_plan(a_lockfile(a_pin(hashes=()), closed=True), TARGET).complete
    assert not make_plan(a_lockfile(a_pin(hashes=())), TARGET).complete


def test_a_path_dependency_is_shown_and_hashed_by_its_contents() -> None:
    here = a_plan(a_pin("lib", "1.0", path="libs/lib", digest="3f2a91cd" * 8, hashes=()), closed=True)
    moved = a_plan(a_pin("lib", None, path="elsewhere/lib", digest="3f2a91cd" * 8, hashes=()), closed=True)
    other = a_plan(a_pin("lib", "1.0", path="libs/lib", digest="77aa01bc" * 8, hashes=()), closed=True)
    assert here.packages == {"lib": "1.0 (3f2a91cd)"}
    assert moved.packages == {"lib": "lib (3f2a91cd)"}
    assert here.content_hash() == moved.content_hash() != other.content_hash()


def test_what_the_index_had_is_no_part_of_the_content_hash() -> None:
    told = a_pin(files=(File(name="idna-3.11-py3-none-any.whl", size=5),), index="https://index.example/simple")
    assert a_plan(told).content_hash() == a_plan().content_hash()


def test_a_plan_with_all_that_formats_tell_survives_its_journey() -> None:
    pin = a_pin(
        files=(File(name="idna-3.11-py3-none-any.whl", size=5),), index="https://index.example/simple", path="lib"
    )
    plan = a_plan(pin, omitted=(a_pin("six"),), closed=True, base="/program")
    assert LayerPlan.from_json(plan.to_json()) == plan


def test_the_credentials_of_a_pins_index_are_secrets() -> None:
    plan = a_plan(a_pin(index="https://me:hunter2@index.example/simple"))
    assert "hunter2" in plan.secrets
    assert plan.indexes == ("https://me:hunter2@index.example/simple",)


def test_what_the_runtime_has_is_left_out_on_demand_and_remembered() -> None:
    lockfile = a_lockfile(a_pin("boto3", "1.40"), a_pin("urllib3", "2"), a_pin("idna"))
    assert set(make_plan(lockfile, TARGET).packages) == {"boto3", "idna", "urllib3"}
    plan = make_plan(lockfile, TARGET, omit_runtime_packages=True)
    assert plan.packages == {"idna": "3.11"}
    assert [pin.name for pin in plan.omitted] == ["boto3", "urllib3"]
    assert plan.content_hash() == make_plan(a_lockfile(a_pin("idna")), TARGET).content_hash()


def test_a_layer_of_nothing_but_what_the_runtime_has_is_an_error_that_says_so() -> None:
    with pytest.raises(LockFileEmptyError) as caught:
        make_plan(a_lockfile(a_pin("boto3")), TARGET, omit_runtime_packages=True)
    assert "the runtime has all of it" in caught.value.hint


STALE = "pyproject.toml has changed since uv.lock was made"


def test_a_lock_file_older_than_its_project_is_a_warning_and_strictly_an_error() -> None:
    lockfile = a_lockfile(a_pin(), stale=(STALE,), relock="uv lock")
    assert lock_warnings(lockfile, make_plan(lockfile, TARGET)) == [f"{STALE}\nhint: uv lock"]
    with pytest.raises(LockFileStaleError, match="has changed since") as caught:
        make_plan(lockfile, TARGET, strict=True)
    assert caught.value.hint == "uv lock"


def test_a_lock_file_made_for_another_python_is_a_warning_and_no_error() -> None:
    lockfile = a_lockfile(a_pin(), made_for=PythonBound(specifier="==3.8.*", where="Pipfile.lock: _meta.requires"))
    assert lock_warnings(lockfile, make_plan(lockfile, TARGET, strict=True)) == [
        "`requirements.txt` was made for Python 3.8, and may lack what Python 3.13 needs"
    ]


def test_what_else_a_lock_file_warns_of_is_told_as_it_is() -> None:
    lockfile = a_lockfile(a_pin(), warnings=("`a` is odd",))
    assert lock_warnings(lockfile, make_plan(lockfile, TARGET, strict=True)) == ["`a` is odd"]
