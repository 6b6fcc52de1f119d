"""What a layer will weigh, by the sizes that its lock file tells: known in preview, before anything is downloaded."""

from __future__ import annotations

from collections.abc import Iterator

from python_layer_provider.limits import DIRECT_UPLOAD_LIMIT, UNZIPPED_LIMIT, WARNING_SHARE
from python_layer_provider.plan import LayerPlan

# Measured on numpy, pandas and scipy: 68.5 MB of wheels are 225 MB of files. Other wheels are between 2.5 and 4.
_UNZIPPED_BY_ZIPPED = 3.3
# So many of a plan's largest packages does a warning name.
_SHOWN = 5


def estimated_size(plan: LayerPlan) -> int | None:
    """Bytes of the layer unzipped, roughly; None where the lock file does not tell the sizes of all files."""
    return None if plan.download_size is None else round(plan.download_size * _UNZIPPED_BY_ZIPPED)


def size_line(plan: LayerPlan) -> str:
    """The estimate in words, `about 12 MB of 262 MB unzipped`; empty where there is none."""
    size = estimated_size(plan)
    return "" if size is None else f"about {_mb(size)} of {_mb(UNZIPPED_LIMIT)} unzipped"


def size_warnings(plan: LayerPlan, *, limit: int = UNZIPPED_LIMIT, in_bucket: bool = False) -> Iterator[str]:
    """Which limits the layer will come close to.

    Args:
        plan: The layer.
        limit: Bytes that it may have, unzipped.
        in_bucket: Whether Lambda takes it from a bucket.
    """
    zipped, unzipped = plan.download_size, estimated_size(plan)
    if zipped is None or unzipped is None:
        return
    if unzipped > limit * WARNING_SHARE:
        whose = "what Lambda allows a function with all its layers" if limit == UNZIPPED_LIMIT else "its `max_size`"
        yield (
            f"The layer will take about {_mb(unzipped)} unzipped, {unzipped / limit:.0%} of {whose}\n"
            f"{_largest(plan)}\nhint: leave out what is not needed at run time"
        )
    if zipped > DIRECT_UPLOAD_LIMIT and not in_bucket:
        yield (
            f"The layer will take about {_mb(zipped)} zipped, and Lambda takes {_mb(DIRECT_UPLOAD_LIMIT)} "
            f'in a direct upload\n{_largest(plan)}\nhint: s3_bucket="a-bucket-in-the-same-region"'
        )


def _largest(plan: LayerPlan) -> str:
    sizes = sorted(((file.size or 0, pin.name) for pin in plan.pins for file in pin.files), reverse=True)
    return "\n".join(f"    {_mb(size):>8}  {name}" for size, name in sizes[:_SHOWN])


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size >= 10e6 else f"{size / 1e6:.1f} MB"  # noqa: PLR2004 (a digit less is enough)
