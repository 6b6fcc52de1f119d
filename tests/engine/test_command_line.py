"""A life by `pulumi` itself, as a person types it: the program runs in a process of its own."""

from pathlib import Path

import pytest

from tests.engine.stacks import Aws, CommandLineStack, lock, new_project

PROGRAM = """
import pulumi
from pulumi_python_layer import PythonLayer

class Ours(PythonLayer):
    pass

layer = Ours("deps", requirements=".", runtime="python3.11")
pulumi.export("arn", layer.arn)
pulumi.export("packages", layer.packages)
"""
YES = ("--yes", "--non-interactive")


@pytest.fixture
def stack(tmp_path: Path) -> CommandLineStack:
    found = CommandLineStack(new_project("command"), tmp_path / "program", PROGRAM)
    (found.folder / "requirements.txt").write_text(lock("old"))
    return found


def test_life_by_the_command_line(stack: CommandLineStack, aws: Aws) -> None:
    name = stack.layer_name()
    assert "+ 2 to create" in stack.run("preview", "--non-interactive").text
    first = stack.run("up", *YES)
    assert f"layer:{name}:1" in first.text, first.text
    unchanged = stack.run("up", *YES)
    assert "2 unchanged" in unchanged.text, unchanged.text
    (stack.folder / "requirements.txt").write_text(lock("new"))
    second = stack.run("up", *YES)
    assert "idna 3.9 -> 3.10" in second.text, second.text
    assert "+-1 replaced" in second.text
    assert aws.versions(name) == [2]
    assert stack.run("refresh", *YES).ok
    # Neither the program nor its lock file is needed to take a stack down.
    (stack.folder / "requirements.txt").unlink()
    (stack.folder / "__main__.py").unlink()
    destroyed = stack.run("destroy", *YES)
    assert destroyed.ok, destroyed.text
    assert aws.versions(name) == []


def test_mistake_in_the_lock_file_is_told_without_a_traceback(stack: CommandLineStack) -> None:
    (stack.folder / "requirements.txt").write_text(lock("syntax-error"))
    outcome = stack.run("preview", "--non-interactive")
    assert not outcome.ok
    assert "requirements.txt:3:" in outcome.text
    assert "PYL-LOCK-SYNTAX" in outcome.text
    assert "Traceback" not in outcome.text
