"""A plan as pip takes it: the arguments of each run, and what stands behind a requirement on its line."""

from __future__ import annotations

from collections.abc import Iterator

from python_layer_provider.lockfile import Pin
from python_layer_provider.plan import LayerPlan


def runs(plan: LayerPlan, *, locked: str, others: str, constraints: str) -> Iterator[list[str]]:
    """The arguments of each run of pip that the plan needs.

    Pins with hashes are taken with `--require-hashes --no-deps`. The others come after them, without dependencies where
    the plan is complete: a pin without a hash switches off nobody else's.

    Args:
        plan: What is installed.
        locked: The requirements file with the pins that have a hash.
        others: That with those that have none.
        constraints: That with what pip may take for what it has to resolve.
    """
    if any(pin.hashes for pin in plan.pins):
        yield ["--require-hashes", "--no-deps", "-r", locked]
    if not all(pin.hashes for pin in plan.pins):
        yield [*(["--no-deps"] if plan.complete else ["-c", constraints]), "-r", others]


def line(pin: Pin, requirement: str) -> str:
    """A line of a requirements file: the requirement of a pin, its hashes and settings."""
    options = [f"--hash={value}" for value in pin.hashes]
    options += [f'--config-settings="{setting}"' for setting in pin.config_settings]
    return " ".join([requirement, *options])
