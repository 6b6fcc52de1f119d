"""Each format of lock files through a layer's life: up, previewed, replaced; all five give one layer."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
from pip._internal.models.index import PyPI

from python_layer_provider.lockfile import Pin, read_lockfile
from tests.engine.stacks import LOCKS, LayerStack, Outcome


def uv_lock(pins: Iterable[Pin]) -> str:
    needs = ", ".join(f'{{ name = "{pin.name}" }}' for pin in pins)
    app = '[[package]]\nname = "app"\nversion = "0"\nsource = { virtual = "." }\n'
    return f"version = 1\n\n{app}dependencies = [{needs}]\n" + "".join(
        f'\n[[package]]\nname = "{pin.name}"\nversion = "{pin.version}"\n'
        f'source = {{ registry = "{PyPI.simple_url}" }}\n'
        f'wheels = [{{ url = "https://files.example/{wheel(pin)}", hash = "{pin.hashes[0]}", size = 64442 }}]\n'
        for pin in pins
    )


def poetry_lock(pins: Iterable[Pin]) -> str:
    packages = (
        f'[[package]]\nname = "{pin.name}"\nversion = "{pin.version}"\noptional = false\ngroups = ["main"]\n'
        f'files = [{{file = "{wheel(pin)}", hash = "{pin.hashes[0]}"}}]\n\n'
        for pin in pins
    )
    metadata = '[metadata]\nlock-version = "2.1"\npython-versions = ">=3.9"\ncontent-hash = "unknown"\n'
    return "".join(packages) + metadata


def pylock(pins: Iterable[Pin]) -> str:
    return 'lock-version = "1.0"\ncreated-by = "hand"\n' + "".join(
        f'\n[[packages]]\nname = "{pin.name}"\nversion = "{pin.version}"\nindex = "{PyPI.simple_url}"\n'
        f'wheels = [{{ url = "https://files.example/{wheel(pin)}", size = 64442, '
        f'hashes = {{ sha256 = "{pin.hashes[0].partition(":")[2]}" }} }}]\n'
        for pin in pins
    )


def pipfile_lock(pins: Iterable[Pin]) -> str:
    sources = [{"name": "main", "url": PyPI.simple_url, "verify_ssl": True}]
    entries = {pin.name: {"version": f"=={pin.version}", "hashes": pin.hashes, "index": "main"} for pin in pins}
    meta = {"hash": {"sha256": "unknown"}, "pipfile-spec": 6, "requires": {}, "sources": sources}
    return json.dumps({"_meta": meta, "default": entries, "develop": {}})


def requirements(pins: Iterable[Pin]) -> str:
    return "".join(f"{pin.requirement} --hash={pin.hashes[0]}\n" for pin in pins)


def wheel(pin: Pin) -> str:
    return f"{pin.name}-{pin.version}-py2.py3-none-any.whl"


FORMATS: Mapping[str, tuple[str, Callable[[Iterable[Pin]], str]]] = {
    "uv": ("uv.lock", uv_lock),
    "poetry": ("poetry.lock", poetry_lock),
    "pylock": ("pylock.toml", pylock),
    "pipenv": ("Pipfile.lock", pipfile_lock),
    "pip": ("requirements.txt", requirements),
}


@pytest.fixture(scope="module")
def life(new_stack: Callable[[], LayerStack], tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, ...]:
    """A stack with a layer of each format: up with the old lock, then previewed and up with the new one, up again."""
    folder = tmp_path_factory.mktemp("formats")
    stack = new_stack()
    for name in FORMATS:
        stack.declare(name, requirements=str(folder / name))
    lock_all("old", folder)
    first = stack.up()
    lock_all("new", folder)
    outcomes = (first, stack.preview(), stack.up(), stack.up())
    for outcome in outcomes:
        assert outcome.ok, outcome.text
    return outcomes


def lock_all(name: str, folder: Path) -> None:
    """Write the pins of a lock file in each format."""
    pins = read_lockfile(f"{name}.txt", base=LOCKS, environ={}).pins
    for kind, (file, written) in FORMATS.items():
        (folder / kind).mkdir(exist_ok=True)
        (folder / kind / file).write_text(written(pins))


@pytest.mark.parametrize("name", FORMATS)
def test_a_lock_file_of_each_format_is_published_and_replaced(life: tuple[Outcome, ...], name: str) -> None:
    up, preview, changed, unchanged = life
    assert [operation for operation, of in up.steps if of == name] == ["create"]
    assert up.outputs[f"{name}.packages"] == {"idna": "3.9", "six": "1.17.0"}
    assert next(operation for operation, of in preview.steps if of == name) == "create-replacement"
    assert changed.outputs[f"{name}.packages"] == {"idna": "3.10", "six": "1.17.0"}
    assert changed.outputs[f"{name}.version"] == "2"
    assert [operation for operation, of in unchanged.steps if of == name] == ["same"]


def test_all_formats_give_one_layer_where_they_lock_the_same(life: tuple[Outcome, ...]) -> None:
    for outcome in life[:1] + life[2:]:
        for output in ("content_hash", "code_sha256"):
            assert len({outcome.outputs[f"{name}.{output}"] for name in FORMATS}) == 1


def test_a_preview_tells_the_change_of_each_layer_in_a_line(life: tuple[Outcome, ...]) -> None:
    # Only two of the formats know sizes.
    sized = "idna 3.9 -> 3.10 (about 0.4 MB of 262 MB unzipped)"
    assert sorted(diagnostics(life[1])) == ["idna 3.9 -> 3.10"] * 3 + [sized] * 2


def test_an_update_tells_what_new_layers_hold(life: tuple[Outcome, ...]) -> None:
    assert sorted(diagnostics(life[0])) == ["2 packages"] * 3 + ["2 packages (about 0.4 MB of 262 MB unzipped)"] * 2
    assert diagnostics(life[3]) == []


def diagnostics(outcome: Outcome) -> list[str]:
    """What stands under the resources in the end."""
    _, _, text = outcome.text.partition("Diagnostics:")
    lines = (line.strip() for line in text.partition("Outputs:")[0].splitlines())
    return [line for line in lines if line and not line.startswith("pulumi-python:")]
