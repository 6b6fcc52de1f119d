"""Stacks to try: a program that declares layers, run by the real engine, and what came of it."""

import gc
import json
import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
import pulumi
from pulumi import automation
from pulumi.automation.events import EngineEvent

from pulumi_python_layer import PythonLayer

REGION: Final = "eu-west-1"
RUNTIME = "python3.11"
LOCKS = Path(__file__).with_name("locks")
LAYER_TYPE = "pulumi-python:dynamic/python_layer:PythonLayer"
# Outputs that a program hands on to functions, or that tests look at.
_EXPORTED = ("arn", "version", "content_hash", "packages", "code_sha256", "source_code_size", "region", "skip_destroy")


def lock(name: str) -> str:
    """The text of a lock file in `locks/`, line ends as they are."""
    return (LOCKS / f"{name}.txt").read_bytes().decode()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an operation said and did."""

    ok: bool
    text: str
    steps: tuple[tuple[str, str], ...] = ()
    """Operation and resource name of each layer's step, in the order in which they were done."""
    outputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations of the steps alone."""
        return tuple(operation for operation, _ in self.steps)


class LayerStack:
    """A stack of its own project, whose inline program declares `layers` and runs `extra`."""

    def __init__(self, project: str, folder: Path) -> None:
        self.project = project
        self.layers: dict[str, Mapping[str, Any]] = {}
        self.extra: Callable[[], None] = lambda: None
        self.layer_class: type[PythonLayer] = PythonLayer
        folder.mkdir(parents=True, exist_ok=True)
        options = automation.LocalWorkspaceOptions(work_dir=str(folder))
        self.automation = automation.create_or_select_stack("dev", project, self._program, opts=options)

    def declare(self, name: str = "deps", **inputs: Any) -> None:
        """Have the program declare a layer with these inputs and no others."""
        self.layers[name] = {"runtime": RUNTIME, **inputs}

    def layer_name(self, name: str = "deps") -> str:
        """The layer's name in AWS, where the program gives it none."""
        return f"{self.project}-dev-{name}"

    def configure(self, **values: str) -> None:
        """Set configuration; `aws__region` is `aws:region`, and `None` takes it away."""
        for key, value in values.items():
            self.automation.set_config(key.replace("__", ":"), automation.ConfigValue(value))

    def preview(self, **options: Any) -> Outcome:
        return self._run(self.automation.preview, **options)

    def up(self, **options: Any) -> Outcome:
        return self._run(self.automation.up, **options)

    def refresh(self, **options: Any) -> Outcome:
        return self._run(self.automation.refresh, **options)

    def destroy(self, **options: Any) -> Outcome:
        return self._run(self.automation.destroy, **options)

    def resources(self) -> list[dict[str, Any]]:
        """The layers in the state."""
        return [found for found in self.state().get("resources", ()) if found["type"] == LAYER_TYPE]

    def state(self) -> dict[str, Any]:
        """The state, as `pulumi stack export` writes it."""
        return dict(self.automation.export_stack().deployment or {})

    def _program(self) -> None:
        for name, inputs in self.layers.items():
            layer = self.layer_class(name, **inputs)
            for output in _EXPORTED:
                pulumi.export(f"{name}.{output}", getattr(layer, output))
        self.extra()

    def _run(self, operation: Callable[..., Any], **options: Any) -> Outcome:
        events: list[EngineEvent] = []
        said: list[str] = []
        wanted = {"color": "never", "on_event": events.append, "on_output": said.append, "on_error": said.append}
        try:
            result = operation(**{**wanted, **options})
        except automation.CommandError as error:
            # The program's coroutine was left where it stood; collected later, it would disturb somebody else.
            gc.collect()
            return Outcome(ok=False, text="\n".join([*said, str(error)]), steps=_steps(events))
        outputs = {key: output.value for key, output in getattr(result, "outputs", {}).items()}
        return Outcome(ok=True, text="\n".join(said), steps=_steps(events), outputs=outputs)


def _steps(events: list[EngineEvent]) -> tuple[tuple[str, str], ...]:
    done = [event.res_outputs_event.metadata for event in events if event.res_outputs_event]
    return tuple((str(step.op.value), step.urn.rpartition("::")[2]) for step in done if f"::{LAYER_TYPE}::" in step.urn)


class ProgramStack:
    """A stack of the program in a folder, run by `pulumi` as a person does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run("stack", "init", "dev", "--non-interactive")

    def run(self, *arguments: str, **environment: str) -> Outcome:
        """Run `pulumi` to its end."""
        process = self.start(*arguments, **environment)
        text, _ = process.communicate()
        return Outcome(ok=process.returncode == 0, text=text)

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start `pulumi` as the leader of a process group, so that a signal to all of it does not reach the tests."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--color", "never"],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def steps(self, *arguments: str, **environment: str) -> list[tuple[str, str]]:
        """Run what has to succeed; operation and name of each step that does something to what the program declares."""
        with tempfile.NamedTemporaryFile() as log:
            # The Automation API reads what happens from there; Pulumi hides the option from others.
            outcome = self.run(*arguments, "--event-log", log.name, **environment, PULUMI_DEBUG_COMMANDS="true")
            assert outcome.ok, outcome.text
            seen: list[tuple[str, str]] = []
            note = noting_steps(seen)
            for event in map(EngineEvent.from_json, map(json.loads, log)):
                # The stack and the providers are resources too.
                if event.res_outputs_event and not event.res_outputs_event.metadata.type.startswith("pulumi:"):
                    note(event)
        return seen

    def outputs(self) -> dict[str, Any]:
        """What the program exports."""
        return dict(json.loads(self.run("stack", "output", "--json").text))

    def state(self) -> dict[str, Any]:
        """The state, as `pulumi stack export` writes it."""
        deployment: dict[str, Any] = json.loads(self.run("stack", "export", "--show-secrets").text)["deployment"]
        return deployment


class CommandLineStack(ProgramStack):
    """A stack of a project of its own, whose program the test writes."""

    def __init__(self, project: str, folder: Path, program: str) -> None:
        self.project = project
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Pulumi.yaml").write_text(f"name: {project}\nruntime: python\n")
        (folder / "__main__.py").write_text(program)
        super().__init__(folder)

    def layer_name(self, name: str = "deps") -> str:
        """The layer's name in AWS, where the program gives it none."""
        return f"{self.project}-dev-{name}"


class Aws:
    """The emulator, looked at from beside the stack."""

    def versions(self, layer_name: str, region: str = REGION) -> list[int]:
        """The versions that a layer has, lowest first."""
        found = self._client(region).list_layer_versions(LayerName=layer_name)
        return sorted(version["Version"] for version in found["LayerVersions"])

    def version(self, arn: str) -> dict[str, Any]:
        """What AWS says of a version."""
        layer, _, number = arn.rpartition(":")
        client = self._client(arn.split(":")[3])
        return dict(client.get_layer_version(LayerName=layer.rpartition(":")[2], VersionNumber=int(number)))

    def function(self, name: str, region: str = REGION) -> dict[str, Any]:
        """What AWS says of a function."""
        return dict(self._client(region).get_function_configuration(FunctionName=name))

    def functions(self, region: str = REGION) -> list[str]:
        """The names of all functions."""
        return [found["FunctionName"] for found in self._client(region).list_functions()["Functions"]]

    def everything(self, region: str = REGION) -> set[str]:
        """The names of all functions, layer versions, roles and tables."""
        layers = [layer["LayerName"] for layer in self._client(region).list_layers()["Layers"]]
        iam = boto3.client("iam", region_name=region)
        dynamodb: Any = boto3.client("dynamodb", region_name=region)
        return {
            *(f"function {name}" for name in self.functions(region)),
            *(f"layer {layer} {version}" for layer in layers for version in self.versions(layer, region)),
            *(f"role {role['RoleName']}" for role in iam.list_roles()["Roles"]),
            *(f"table {name}" for name in dynamodb.list_tables()["TableNames"]),
        }

    def publish(self, layer_name: str, region: str = REGION) -> str:
        """Publish a version by hand; its ARN."""
        content = {"ZipFile": b"PK\5\6" + bytes(18)}
        client = self._client(region)
        return str(client.publish_layer_version(LayerName=layer_name, Content=content)["LayerVersionArn"])

    def delete(self, layer_name: str, version: int, region: str = REGION) -> None:
        """Delete a version by hand."""
        self._client(region).delete_layer_version(LayerName=layer_name, VersionNumber=version)

    def _client(self, region: str) -> Any:
        return boto3.client("lambda", region_name=region)


def noting_steps(seen: list[tuple[str, str]]) -> Callable[[EngineEvent], None]:
    """Notes operation and name of each step that does something, in the order in which they were done."""

    def note(event: EngineEvent) -> None:
        done = event.res_outputs_event
        if done and done.metadata.op.value not in {"same", "replace", "read"}:
            seen.append((done.metadata.op.value, done.metadata.urn.rpartition("::")[2]))

    return note


def changed(stack: LayerStack) -> tuple[dict[str, set[str]], Mapping[str, Any]]:
    """What an update does, operation to names, and the outputs to which it leads."""
    steps: list[tuple[str, str]] = []
    outcome = stack.up(on_event=noting_steps(steps))
    assert outcome.ok, outcome.text
    done: dict[str, set[str]] = {}
    for operation, name in steps:
        done.setdefault(operation, set()).add(name)
    return done, outcome.outputs


def new_project(word: str) -> str:
    """A project name that no other test has."""
    return f"{word}-{uuid.uuid4().hex[:8]}"


def eventually(true: Callable[[], bool], seconds: float) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def interrupt(process: "subprocess.Popen[str]", number: signal.Signals = signal.SIGINT) -> None:
    """Do what a terminal does at Ctrl-C: the whole foreground group gets the signal."""
    os.killpg(process.pid, number)


def assert_explained(outcome: Outcome, code: str, *phrases: str) -> None:
    """The operation failed with a message that says what, where, what next and its name, and no traceback."""
    assert not outcome.ok, outcome.text
    for phrase in (f"[{code}]", "hint: ", *phrases):
        assert phrase in outcome.text, f"{phrase!r} is not in:\n{outcome.text}"
    assert "Traceback" not in outcome.text, outcome.text
