"""A fake of Pulumi's engine, for what a program declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
from pulumi.runtime import MockResourceArgs, Mocks, set_mocks
from pulumi.runtime.settings import set_root_resource

from tests.unit.helpers import ARN

LAYER = "pulumi-python:dynamic/python_layer:PythonLayer"


class EngineFake(Mocks):
    """A fake engine that takes every resource as it is, gives it an id, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[MockResourceArgs] = []

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.seen.append(args)
        if args.typ == LAYER:
            return ARN, {**args.inputs, "arn": ARN}
        return args.name, {"name": args.name, **args.inputs, "arn": f"arn:aws:of:{args.name}"}

    def call(self, args: Any) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise NotImplementedError(args)


def run(program: Callable[[], object], *, preview: bool = False) -> EngineFake:
    """Run a program to its end."""
    engine = EngineFake()
    # The mocks would hand on the root of the run before.
    set_root_resource(None)  # type: ignore[arg-type]
    set_mocks(engine, project="shop", stack="dev", preview=preview)
    pulumi.runtime.test(lambda: program() and None)()  # type: ignore[no-untyped-call]
    return engine
