"""A layer for hundreds of random steps: on a stand-in for the engine, and for a few on the real one."""

import os
import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import botocore.loaders
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from pulumi import automation

from pulumi_python_layer import LayerPermission
from python_layer_provider.lockfile import read_lockfile
from python_layer_provider.plan import LayerPlan
from python_layer_provider.planning import plan_layer
from python_layer_provider.target import Target
from tests.engine.soaking import ACCOUNTS, REGIONS, Settings, Soak, Standing
from tests.engine.stacks import LOCKS, REGION, RUNTIME, LayerStack, Outcome, new_project
from tests.engine.stand_in import StandIn, program_of

SAID: Mapping[str, Sequence[Any]] = {
    "lock": ["old", "new"],
    "keep_versions": [0, 1, 2, 3],
    "permissions": [[{"principal": one} for one in who] for who in ((), ACCOUNTS[:1], ACCOUNTS[1:], ACCOUNTS)],
    "regions": [[], [*REGIONS[1:]], [REGIONS[1]], [REGIONS[2]]],
    "delete_unused_only": [False, True],
    "skip_destroy": [False, False, True],
    "triggers": [[number] for number in range(10)],
}
"""What a program may say."""
CHANGE = st.fixed_dictionaries({}, optional={name: st.sampled_from(said) for name, said in SAID.items()})


class OnStandIn:
    """A driver: the stand-in for the engine."""

    def __init__(self, plans: Mapping[str, LayerPlan], layer_name: str) -> None:
        self._plans = plans
        self._layer_name = layer_name
        self._engine = StandIn(f"urn:pulumi:dev::{layer_name}::layer::deps")

    def standing(self) -> Standing | None:
        return Standing.of(self._engine.resource.outputs) if self._engine.resource else None

    def pending(self) -> list[Standing]:
        return [Standing.of(resource.outputs) for resource in self._engine.pending]

    def up(self, settings: Settings, *, delete: bool = True) -> str:
        return self._engine.up(self._program(settings), delete=delete)

    def preview(self, settings: Settings) -> str:
        return self._engine.preview(self._program(settings))

    def killed(self, settings: Settings) -> None:
        self._engine.killed(self._program(settings))

    def refresh(self) -> None:
        self._engine.refresh()

    def destroy(self) -> None:
        self._engine.destroy()

    def lose(self) -> None:
        self._engine.lose()

    def _program(self, settings: Settings) -> Mapping[str, Any]:
        others = {key: value for key, value in settings.items() if key != "lock"}
        return program_of(self._plans[settings["lock"]], self._layer_name, REGION, **others)


class OnEngine:
    """A driver: the real engine."""

    def __init__(self, stack: LayerStack) -> None:
        self._stack = stack

    def standing(self) -> Standing | None:
        found = [resource for resource in self._stack.resources() if not resource.get("delete")]
        return Standing.of(found[0]["outputs"]) if found else None

    def pending(self) -> list[Standing]:
        return [Standing.of(found["outputs"]) for found in self._stack.resources() if found.get("delete")]

    def up(self, settings: Settings, *, delete: bool = True) -> str:
        assert delete
        self._declare(settings)
        return _done(self._stack.up())

    def preview(self, settings: Settings) -> str:
        self._declare(settings)
        return _done(self._stack.preview())

    def killed(self, settings: Settings) -> None:
        raise NotImplementedError

    def refresh(self) -> None:
        outcome = self._stack.refresh()
        assert outcome.ok, outcome.text

    def destroy(self) -> None:
        outcome = self._stack.destroy()
        assert outcome.ok, outcome.text

    def lose(self) -> None:
        self._stack.automation.import_stack(automation.Deployment(version=3, deployment={}))

    def _declare(self, settings: Settings) -> None:
        others = {key: value for key, value in settings.items() if key not in {"lock", "permissions"}}
        permissions = [LayerPermission(**permission) for permission in settings.get("permissions", ())]
        self._stack.declare(requirements=str(LOCKS / f"{settings['lock']}.txt"), permissions=permissions, **others)


def _done(outcome: Outcome) -> str:
    assert outcome.ok, outcome.text
    return "replace" if "replace" in outcome.operations else outcome.operations[0]


class Life(RuleBasedStateMachine):
    """What may happen to a layer, in any order."""

    plans: Mapping[str, LayerPlan] = MappingProxyType({})

    def __init__(self) -> None:
        super().__init__()
        name = new_project("soak")
        self.soak = Soak(OnStandIn(self.plans, name), name)

    @rule(change=CHANGE)
    def up(self, change: Mapping[str, Any]) -> None:
        self.soak.up(**change)

    @rule(change=CHANGE)
    def up_whose_function_fails(self, change: Mapping[str, Any]) -> None:
        self.soak.up(delete=False, **change)

    @rule(change=CHANGE)
    def up_that_is_killed(self, change: Mapping[str, Any]) -> None:
        self.soak.killed_up(change)

    @precondition(lambda self: self.soak.ours())
    @rule(data=st.data())
    def delete_by_hand(self, data: st.DataObject) -> None:
        for arn in data.draw(st.sets(st.sampled_from(self.soak.ours()))):
            self.soak.delete_by_hand(arn)
        self.soak.refresh()

    @precondition(lambda self: self.soak.ours())
    @rule(data=st.data())
    def unshare_by_hand(self, data: st.DataObject) -> None:
        self.soak.unshare_by_hand(data.draw(st.sampled_from(self.soak.ours())))
        self.soak.refresh()
        self.soak.up()

    @precondition(lambda self: self.soak.ours())
    @rule(data=st.data())
    def share_by_hand(self, data: st.DataObject) -> None:
        self.soak.share_by_hand(data.draw(st.sampled_from(sorted({*self.soak.ours()} & self.soak.there()))))

    @precondition(lambda self: self.soak.ours())
    @rule(data=st.data())
    def use(self, data: st.DataObject) -> None:
        self.soak.use(data.draw(st.sampled_from(sorted({*self.soak.ours()} & self.soak.there()))))

    @rule()
    def leave(self) -> None:
        self.soak.leave()

    @rule(region=st.sampled_from(REGIONS))
    def publish_by_hand(self, region: str) -> None:
        self.soak.publish_by_hand(region)

    @rule()
    def refresh(self) -> None:
        self.soak.refresh()

    @rule()
    def destroy(self) -> None:
        self.soak.destroy()

    @rule()
    def lose(self) -> None:
        self.soak.lose()

    @invariant()
    def nothing_of_others_is_touched(self) -> None:
        self.soak.check()

    def teardown(self) -> None:
        self.soak.leave()


@pytest.fixture(scope="module")
def plans(new_stack: Callable[[], LayerStack], environment: None) -> Mapping[str, LayerPlan]:
    """Plans whose layers have been built."""
    assert environment is None
    stack = new_stack()
    for name in ("old", "new"):
        stack.declare(name, requirements=str(LOCKS / f"{name}.txt"))
    outcome = stack.up()
    assert outcome.ok, outcome.text
    assert stack.destroy().ok
    target = Target.of(RUNTIME, "x86_64")
    locks = {name: read_lockfile(str(LOCKS / f"{name}.txt"), base=Path.cwd(), environ={}) for name in ("old", "new")}
    return {name: plan_layer(found, target, base=Path.cwd()).plan for name, found in locks.items()}


@pytest.fixture
def quick_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read botocore's models once instead of for each client."""
    monkeypatch.setattr("botocore.session.create_loader", cache(botocore.loaders.create_loader))


@pytest.mark.usefixtures("quick_clients")
def test_state_and_aws_agree_whatever_happens(plans: Mapping[str, LayerPlan]) -> None:
    machine = type("Machine", (Life,), {"plans": plans})
    # Shrinking would take minutes, and a failure shows its steps anyway.
    limits = settings(
        max_examples=6,
        stateful_step_count=40,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    run_state_machine_as_test(machine, settings=limits)


def test_the_real_engine_does_as_the_stand_in(stack: LayerStack) -> None:
    soak = Soak(OnEngine(stack), stack.layer_name())
    choose = random.Random("a layer's life")
    for _ in range(int(os.environ.get("SOAK", "8"))):
        _step(soak, choose)
        soak.check()
    soak.leave()


def _step(soak: Soak, choose: random.Random) -> None:
    """One random step, half of them a change of the program."""
    known = sorted({*soak.ours()} & soak.there())
    if choose.random() < 0.5 or not known:
        soak.up(**{name: choose.choice(SAID[name]) for name in choose.sample(sorted(SAID), choose.randint(1, 3))})
        return
    arn = choose.choice(known)
    match choose.choice(("delete", "unshare", "share", "use", "leave", "publish", "refresh", "destroy", "lose")):
        case "delete":
            soak.delete_by_hand(arn)
            soak.refresh()
        case "unshare":
            soak.unshare_by_hand(arn)
            soak.refresh()
            soak.up()
        case "share":
            soak.share_by_hand(arn)
        case "use":
            soak.use(arn)
        case "leave":
            soak.leave()
        case "publish":
            soak.publish_by_hand(choose.choice(REGIONS))
        case "refresh":
            soak.refresh()
        case "destroy":
            soak.destroy()
        case _:
            soak.lose()
