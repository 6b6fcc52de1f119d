"""Run in the container by the target's Python: pip, at the indexes that a lock file names for its pins.

Lock files name pip's own default index like any other. Where pip is configured to go elsewhere, to a company's mirror,
whoever did that means it for this lock file too: the default is never named to pip.
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Mapping, Sequence

VARIABLE = "PYTHON_LAYER_INDEXES"
"""Environment variable with the indexes, parted by blanks; `DEFAULT` among them is whatever pip would ask anyway."""
DEFAULT = "-"


def settings(indexes: Sequence[str], default: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What pip has to be told by its environment.

    Args:
        indexes: Those that the lock file names, in its order.
        default: pip's own.
        environ: What pip is told already.
    """
    others = [index for index in indexes if index != DEFAULT and index.rstrip("/") != default.rstrip("/")]
    if others and len(others) == len(indexes):
        first, *others = others
        told = {"PIP_INDEX_URL": first}
    else:
        told = {}
    extra = " ".join(filter(None, [environ.get("PIP_EXTRA_INDEX_URL", ""), *others]))
    return {**told, "PIP_EXTRA_INDEX_URL": extra} if extra else told


def _default() -> str:
    try:
        from pip._internal.models.index import PyPI  # noqa: PLC0415 (where it is missing, every index counts as another)
    except ImportError:
        return ""
    return str(PyPI.simple_url)


if __name__ == "__main__":
    named = os.environ.pop(VARIABLE).split()
    os.environ.update(settings(named, _default(), os.environ))
    runpy.run_module("pip", run_name="__main__", alter_sys=True)
