"""Tells a size in words, with a package of the shared layer."""

import humanize


def handler(event: dict, context: object) -> dict:
    """Answer an event such as `{"bytes": 1000000}`."""
    return {
        "size": humanize.naturalsize(event["bytes"]),
        "humanize": f"{humanize.__version__} from {humanize.__file__}",
    }
