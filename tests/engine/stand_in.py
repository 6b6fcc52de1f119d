"""A stand-in for Pulumi's engine: the steps that it takes for one layer, in this process and without its protocol.

For soaks only, where the real engine's seconds are too many. It does what the engine was seen to do: check, diff,
create or update, deletion of what was replaced at the end, and again by the next operation where that was not reached.
Old outputs, not inputs, are compared; what travels, travels as JSON without nulls; to the provider, each operation is
a process of its own.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from python_layer_provider import inputs, provider
from python_layer_provider.plan import LayerPlan
from python_layer_provider.provider import LayerProvider
from tests.engine.stacks import RUNTIME

Properties = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A layer in a state."""

    id: str
    inputs: Properties
    outputs: Properties


class StandIn:
    """One layer's state, and the operations on it."""

    def __init__(self, urn: str) -> None:
        self.urn = urn
        self.resource: Resource | None = None
        self.pending: list[Resource] = []
        """What was replaced and is still to be deleted, newest first."""

    def up(self, program: Properties, *, delete: bool = True) -> str:
        """Bring the layer up; without `delete`, as far as a function whose update fails. What was done."""
        step = self._step(program)
        done, found = step, self.resource
        checked = self._checked(program)
        if step == "create":
            self.resource = self._created(checked)
        elif step == "replace":
            assert found
            self.resource = self._created(checked)
            self.pending.insert(0, found)
        elif step == "update":
            assert found
            outs = self._call("update", found.id, found.outputs, checked).outs
            self.resource = Resource(id=found.id, inputs=checked, outputs=_sent(outs))
        if delete:
            self._delete_pending()
        return done

    def killed(self, program: Properties) -> None:
        """Bring the layer up, and have everything die before the state is written."""
        before, pending = self.resource, [*self.pending]
        self.up(program, delete=False)
        self.resource, self.pending = before, pending

    def preview(self, program: Properties) -> str:
        """What would be done."""
        return self._step(program)

    def refresh(self) -> None:
        """Take over what AWS says."""
        self._begin()
        if self.resource is None:
            return
        found = self._call("read", self.resource.id, self.resource.outputs)
        if not found.id:
            self.resource = None
            return
        self.resource = replace(self.resource, outputs=_sent(found.outs))
        self._call("diff", self.resource.id, self.resource.outputs, self.resource.inputs)

    def destroy(self) -> None:
        """Delete the layer."""
        self._begin()
        self._delete_pending()
        if self.resource:
            self._call("delete", self.resource.id, self.resource.outputs)
        self.resource = None

    def lose(self) -> None:
        """Lose the state."""
        self.resource, self.pending = None, []

    def _begin(self) -> None:
        # Each operation has a process of the provider's own.
        provider._RUNS.clear()
        provider._TOLD.clear()

    def _step(self, program: Properties) -> str:
        self._begin()
        checked, found = self._checked(program), self.resource
        if found is None:
            return "create"
        diff = self._call("diff", found.id, found.outputs, checked)
        if diff.replaces:
            self._call("check", {}, program)
            return "replace"
        return "update" if diff.changes else "same"

    def _checked(self, program: Properties) -> Properties:
        result = self._call("check", self.resource.inputs if self.resource else {}, _sent(program))
        assert result.failures == []
        return dict(_sent(result.inputs))

    def _created(self, checked: Properties) -> Resource:
        made = self._call("create", checked)
        return Resource(id=made.id, inputs=checked, outputs=_sent(made.outs))

    def _delete_pending(self) -> None:
        while self.pending:
            self._call("delete", self.pending[0].id, self.pending[0].outputs)
            self.pending.pop(0)

    def _call(self, method: str, *given: Any) -> Any:
        # The provider looks for these two names here, as in the frame of the SDK's servicer.
        request = _Request(self.urn)
        context = _Context(request)
        try:
            return getattr(LayerProvider(), method)(*given)
        finally:
            context.end()


@dataclass(frozen=True)
class _Request:
    urn: str


class _Context:
    """The end of a call, as gRPC tells it."""

    def __init__(self, request: _Request) -> None:
        self._request = request
        self._callbacks: list[Callable[[], None]] = []

    def add_callback(self, callback: Callable[[], None]) -> bool:
        self._callbacks.append(callback)
        return True

    def abort(self, code: object, details: str) -> None:
        raise AssertionError((self._request, code, details))

    def end(self) -> None:
        for callback in self._callbacks:
            callback()


def _sent(properties: Any) -> Any:
    """What arrives of properties that are sent: nothing of what is null, and every number as a float."""
    return json.loads(json.dumps(_without_nulls(properties)), parse_int=float)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def program_of(plan: LayerPlan, layer_name: str, region: str, **others: Any) -> Properties:
    """What a program's `PythonLayer` hands over."""
    return {
        "runtime": RUNTIME,
        "architecture": "x86_64",
        "layer_name": layer_name,
        "compatible_runtimes": [RUNTIME],
        "compatible_architectures": ["x86_64"],
        "build": {"timeout": 1800},
        "region": region,
        "packages": plan.packages,
        "content_hash": plan.content_hash(),
        inputs.PLAN: plan.to_json(),
        inputs.ORGANIZATION: "organization",
        **others,
    }
