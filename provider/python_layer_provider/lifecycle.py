"""Which versions a resource has in AWS, which of them stay and which go: decided from its state alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from python_layer_provider.layer_version import region_of_arn


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """The versions of a resource that its state knows."""

    current: Mapping[str, str]
    """Region to the ARN that functions take."""
    retained: tuple[str, ...] = ()
    """ARNs of earlier versions that are still there, newest first; some may be gone by now."""
    lineage: str | None = None
    """By which a version that the state has lost is known again; None before the first one that has it."""

    @classmethod
    def of(cls, outputs: Mapping[str, Any]) -> Versions:
        """The versions in a resource's outputs, whichever release wrote them."""
        arn, arns = outputs.get("arn"), outputs.get("arns")
        if arns is None:
            arns = {region_of_arn(arn): arn} if arn else {}
        return cls(
            current=dict(arns),
            retained=tuple(outputs.get("retained_arns") or ()),
            lineage=outputs.get("lineage"),
        )

    @property
    def known(self) -> tuple[str, ...]:
        """All of them, the current ones first."""
        return (*self.current.values(), *self.retained)

    def kept(self, count: int) -> tuple[str, ...]:
        """The newest `count` earlier ones of each region; none where the layer no longer is."""
        return tuple(_newest(self.retained, self.current, count))

    def replaced(self, regions: Collection[str], keep: int, *, let_go: bool, used: frozenset[str]) -> tuple[str, ...]:
        """The earlier versions after a replacement, before functions have moved on.

        Args:
            regions: Where the layer is then.
            keep: How many earlier versions stay.
            let_go: Whether those that are replaced stay in AWS for good and are no longer ours.
            used: ARNs of versions that have to stay until nobody uses them.
        """
        earlier = self.retained if let_go else self.known
        stay = {*_newest(earlier, regions, keep), *used}
        return tuple(arn for arn in earlier if arn in stay)

    def outdated(self, successor: Versions, keep: int) -> tuple[str, ...]:
        """Which of these versions go, once functions have moved on to their successor."""
        stay = {*successor.current.values(), *successor.kept(keep)}
        return tuple(arn for arn in self.known if arn not in stay)


def _newest(arns: Sequence[str], regions: Collection[str], count: int) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for arn in arns:
        region = region_of_arn(arn)
        seen[region] += 1
        if region in regions and seen[region] <= count:
            yield arn
