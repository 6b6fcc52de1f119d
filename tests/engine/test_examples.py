"""Each folder in `examples/` as a person uses it: `pulumi` by command line, and the function run with its layers."""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree
from typing import Any

import boto3
import pytest

from python_layer_provider.build import pip
from tests.engine.conftest import Containers
from tests.engine.servers import gate
from tests.engine.stacks import REGION, Aws, ProgramStack
from tools.invocation import Invoker, Outside
from tools.parts import RealParts

EXAMPLES = Path(__file__).parents[2] / "examples"
NOWHERE = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "DOCKER_HOST": "tcp://127.0.0.1:9"}
HTTP_REQUEST = {
    "version": "2.0",
    "rawPath": "/hello/Ada",
    "rawQueryString": "",
    "headers": {"host": "api.example"},
    "requestContext": {"http": {"method": "GET", "path": "/hello/Ada", "sourceIp": "192.0.2.1"}, "stage": "$default"},
    "isBase64Encoded": False,
}


def without_hash(answer: Mapping[str, str]) -> dict[str, str]:
    """Shorten the paths of what was installed at cold start, which hold a hash."""
    return {key: re.sub(r" /tmp/.+/site-packages/", " /tmp/", said) for key, said in answer.items()}


def put_note(outputs: Mapping[str, Any]) -> None:
    """Write what the function is to read."""
    table = boto3.resource("dynamodb", region_name=REGION).Table(outputs["table"])
    table.put_item(Item={"id": "first", "text": "read me"})


@dataclass(frozen=True, kw_only=True)
class Example:
    """What comes of an example in the course of its life."""

    folder: str
    programs: tuple[str, ...] = (".",)
    """The folders of its programs; one that another refers to comes before it."""
    makes: set[str]
    """The names of the resources that an update makes."""
    prepare: Callable[[Mapping[str, Any]], None] = lambda _: None
    """What somebody else does before the function is used; takes what the program exports."""
    event: Mapping[str, Any]
    answer: Mapping[str, Any]
    online: bool = False
    """Whether the function needs a network, with AWS and the package index in it."""
    read: Callable[[Any], Any] = lambda answer: answer
    """Finds in what Lambda gets what the caller gets."""
    edited: str
    """The file that somebody changes."""
    edits: Mapping[str, str]
    changes: Mapping[str, set[str]]
    """What an update then does, by operation."""
    changed_answer: Mapping[str, Any]
    """What is different in the answer after that."""
    left: set[str] = field(default_factory=set)
    """What stays in AWS when all is destroyed."""


EVERY = (
    Example(
        folder="quickstart",
        makes={"hello", "hello-deps", "hello-role", "hello-logs"},
        event={"name": "Ada"},
        answer={
            "hello": "Ada",
            "requests": "2.32.3 from /opt/python/requests/__init__.py",
            "compiled": ["orjson", "pyleri"],
        },
        edited="hello/requirements.txt",
        edits={
            "requests==2.32.3": "requests==2.32.5",
            "55365417734eb18255590a9ff9eb97e9e1da868d4ccd6402399eaf68af20a760": (
                "2462f94637a34fd532264295e186976db0f5d453d1cdd31473c85a6a161affb6"
            ),
        },
        changes={"create-replacement": {"hello-deps"}, "update": {"hello"}, "delete-replaced": {"hello-deps"}},
        changed_answer={"requests": "2.32.5 from /opt/python/requests/__init__.py"},
    ),
    Example(
        folder="http-api",
        makes={"api", "api-deps", "api-role", "api-logs", "url"},
        event=HTTP_REQUEST,
        answer={"hello": "Ada", "fastapi": "0.165.0 from /opt/python/fastapi/__init__.py"},
        read=lambda answer: json.loads(answer["body"]),
        edited="api/app.py",
        edits={'"hello": name': '"hello": name.upper()'},
        changes={"update": {"api"}},
        changed_answer={"hello": "ADA"},
    ),
    Example(
        folder="shared-layer",
        programs=("layers", "app"),
        makes={"shared", "hello", "hello-role", "hello-logs"},
        event={"bytes": 1_000_000},
        answer={"size": "1.0 MB", "humanize": "4.12.3 from /opt/python/humanize/__init__.py"},
        edited="layers/requirements.txt",
        edits={
            "humanize==4.12.3": "humanize==4.13.0",
            "2cbf6370af06568fa6d2da77c86edb7886f3160ecd19ee1ffef07979efc597f6": (
                "b810820b31891813b1673e8fec7f1ed3312061eab2f26e3fa192c393d11ed25f"
            ),
        },
        changes={"create-replacement": {"shared"}, "delete-replaced": {"shared"}, "update": {"hello"}},
        changed_answer={"humanize": "4.13.0 from /opt/python/humanize/__init__.py"},
        left={"layer python-layer-shared-layer-dev-shared 1", "layer python-layer-shared-layer-dev-shared 2"},
    ),
    Example(
        folder="several-layers",
        makes={"numbers", "report", "report-deps", "report-role", "report-logs"},
        event={"numbers": [1, 2, 6]},
        answer={
            "report": "mean     3\nhighest  6",
            "numpy": "2.2.6 from /opt/python/numpy/__init__.py",
            "tabulate": "0.9.0 from /opt/python/tabulate/__init__.py",
        },
        edited="report/requirements.txt",
        edits={
            "tabulate==0.9.0": "tabulate==0.10.0",
            "024ca478df22e9340661486f85298cff5f6dcdba14f3813e8830015b9ed1948f": (
                "f0b0622e567335c8fabaaa659f1b33bcb6ddfe2e496071b743aa113f8774f2d3"
            ),
        },
        changes={"create-replacement": {"report-deps"}, "update": {"report"}, "delete-replaced": {"report-deps"}},
        changed_answer={"tabulate": "0.10.0 from /opt/python/tabulate/__init__.py"},
    ),
    Example(
        folder="development-mode",
        makes={"trial", "trial-role", "trial-logs"},
        event={"bytes": 1_000_000},
        online=True,
        read=without_hash,
        answer={
            "table": "size  1.0 MB",
            "humanize": "4.17.0 from /tmp/humanize/__init__.py",
            "tabulate": "0.9.0 from /tmp/tabulate/__init__.py",
        },
        edited="trial/index.py",
        edits={"tabulate==0.9.0": "tabulate==0.10.0"},
        changes={"update": {"trial"}},
        changed_answer={"tabulate": "0.10.0 from /tmp/tabulate/__init__.py"},
    ),
    Example(
        folder="own-role",
        makes={"notes", "reader-role", "writes-log", "reads-notes", "reader", "reader-deps"},
        prepare=put_note,
        online=True,
        event={"id": "first"},
        answer={
            "note": {"id": "first", "text": "read me"},
            "boto3": "1.44.5 from /opt/python/boto3/__init__.py",
        },
        edited="reader/index.py",
        edits={'.get("Item")': '["Item"]["text"]'},
        changes={"update": {"reader"}},
        changed_answer={"note": "read me"},
    ),
    Example(
        folder="from-cdk",
        makes={"shared", "invoices", "invoices-deps", "invoices-role", "invoices-logs"},
        event={"amount": 1234.5},
        answer={
            "total": "€1,234.50",
            "babel": "2.18.0 from /opt/python/babel/__init__.py",
            "structlog": "26.1.0 from /opt/python/structlog/__init__.py",
        },
        edited="app/index.py",
        edits={'locale="en"': 'locale="de"'},
        changes={"update": {"invoices"}},
        changed_answer={"total": "1.234,50\xa0€"},
    ),
)


class Life:
    """An example in a folder of its own, with the stacks of its programs."""

    def __init__(self, example: Example, folder: Path, before: set[str]) -> None:
        self.example = example
        self.folder = copytree(EXAMPLES / example.folder, folder / example.folder)
        self.stacks = [ProgramStack(self.folder / program) for program in example.programs]
        self.before = before
        """What AWS has of others."""

    def up(self) -> dict[str, set[str]]:
        """Update all stacks; what that does, by operation."""
        return _by_operation(
            step for stack in self.stacks for step in stack.steps("up", "--yes", "--skip-preview", "--non-interactive")
        )

    def edit(self) -> None:
        """Do what somebody does to the code or to a lock file."""
        path = self.folder / self.example.edited
        text = path.read_text()
        for old, new in self.example.edits.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)


def _by_operation(steps: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    done: dict[str, set[str]] = {}
    for operation, name in steps:
        done.setdefault(operation, set()).add(name)
    return done


@pytest.fixture(scope="module", params=EVERY, ids=lambda example: example.folder)
def life(request: pytest.FixtureRequest, environment: None, tmp_path_factory: pytest.TempPathFactory, aws: Aws) -> Life:
    """The stacks on which the tests below work one after the other."""
    assert environment is None
    return Life(request.param, tmp_path_factory.mktemp("examples"), aws.everything())


@pytest.fixture(scope="module")
def outside(containers: Containers, parts: RealParts) -> Iterator[Outside]:
    """What Lambda's runtime tells a function, region and credentials, and where AWS and the package index are here."""
    index = {"PIP_INDEX_URL": os.environ["PIP_INDEX_URL"]} if "PIP_INDEX_URL" in os.environ else {}
    with gate(parts.aws.endpoint, containers.gateway) as (url, _):
        aws = {**parts.aws.variables(region=REGION), "AWS_ENDPOINT_URL": url}
        yield Outside(variables={**aws, **index, **pip._proxies(os.environ)}, authorities=pip._host_ca(os.environ))


@pytest.fixture
def answer(life: Life, invoke: Invoker, outside: Outside) -> Callable[[], Any]:
    """Invokes the example's function."""

    def run() -> Any:
        name = life.stacks[-1].outputs()["function"]
        world = outside if life.example.online else None
        return life.example.read(invoke(name, life.example.event, outside=world))

    return run


def test_every_folder_is_tried() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_dir()} == {example.folder for example in EVERY}


@pytest.mark.parametrize("example", EVERY, ids=lambda example: example.folder)
def test_the_readme_quotes_what_is_there(example: Example) -> None:
    folder = EXAMPLES / example.folder
    quoted = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    code = [path.read_text() for path in folder.rglob("*.py")]
    assert all(any(block in text for text in code) for block in quoted)
    programs = [(folder / program / "__main__.py").read_text() for program in example.programs]
    assert all(any(block in text for block in quoted) for text in programs)


def test_a_preview_tells_what_will_be_made_without_aws_and_without_containers(life: Life) -> None:
    promised: list[tuple[str, str]] = []
    for stack in life.stacks:
        promised += stack.steps("preview", "--non-interactive", **NOWHERE)
        if stack is not life.stacks[-1]:
            # The next program refers to it.
            assert stack.run("up", "--yes", "--skip-preview", "--non-interactive").ok
    assert _by_operation(promised) == {"create": life.example.makes}


def test_the_function_answers_with_packages_of_its_layers(life: Life, answer: Callable[[], Any]) -> None:
    assert life.up().keys() == {"create"}
    life.example.prepare(life.stacks[-1].outputs())
    assert answer() == life.example.answer


def test_nothing_changes_without_a_change(life: Life) -> None:
    assert life.up() == {}


def test_a_change_reaches_the_function_and_nothing_else(life: Life, answer: Callable[[], Any]) -> None:
    life.edit()
    assert life.up() == life.example.changes
    assert answer() == {**life.example.answer, **life.example.changed_answer}


def test_destroy_leaves_nothing_but_what_is_meant_to_stay(life: Life, aws: Aws) -> None:
    for stack in reversed(life.stacks):
        outcome = stack.run("destroy", "--yes", "--skip-preview", "--non-interactive")
        assert outcome.ok, outcome.text
    assert aws.everything() - life.before == life.example.left
