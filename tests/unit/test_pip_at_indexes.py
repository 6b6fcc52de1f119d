from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pip._internal.models.index import PyPI

from python_layer_provider.build import pip_at_indexes
from python_layer_provider.build.pip_at_indexes import DEFAULT, VARIABLE, settings

OWN = "https://default.example/simple"
A, B = "https://a.example/simple", "https://b.example/simple"


@pytest.mark.parametrize(
    ("indexes", "told"),
    [
        ([OWN], {}),
        ([f"{OWN}/"], {}),
        ([A], {"PIP_INDEX_URL": A}),
        ([A, B], {"PIP_INDEX_URL": A, "PIP_EXTRA_INDEX_URL": B}),
        ([A, OWN], {"PIP_EXTRA_INDEX_URL": A}),
        ([A, DEFAULT], {"PIP_EXTRA_INDEX_URL": A}),
        ([DEFAULT], {}),
    ],
)
def test_every_index_is_named_to_pip_but_its_own(indexes: list[str], told: dict[str, str]) -> None:
    assert settings(indexes, OWN, {}) == told


def test_an_index_that_pip_is_told_already_stays() -> None:
    assert settings([A, OWN], OWN, {"PIP_EXTRA_INDEX_URL": B}) == {"PIP_EXTRA_INDEX_URL": f"{B} {A}"}


def test_a_pip_that_does_not_tell_its_own_index_is_told_every_index() -> None:
    assert settings([OWN], "", {}) == {"PIP_INDEX_URL": OWN}


@pytest.mark.parametrize(
    ("indexes", "says"),
    [(A, f"index-url='{A}'"), (f"{A} {PyPI.simple_url}", f"extra-index-url='{A}'"), (PyPI.simple_url, "")],
)
def test_pip_itself_takes_what_it_is_told(indexes: str, says: str, tmp_path: Path) -> None:
    # As in the container it lies where no module of ours does.
    script = shutil.copy(pip_at_indexes.__file__, tmp_path)
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    done = subprocess.run(
        [sys.executable, script, "config", "list"],
        env={**environ, VARIABLE: indexes, "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    told = [line.removeprefix(":env:.") for line in done.stdout.splitlines() if "index-url" in line]
    assert told == ([says] if says else [])
