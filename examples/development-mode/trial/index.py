"""Tries out packages: `humanize` is locked, `tabulate` is installed when it is first needed."""

import humanize

from pulumi_python_layer.cold_start import ensure


def handler(event: dict, context: object) -> dict:
    """Answer an event such as `{"bytes": 1000000}`."""
    ensure("tabulate==0.9.0")
    import tabulate

    rows = [("size", humanize.naturalsize(event["bytes"]))]
    return {
        "table": tabulate.tabulate(rows, tablefmt="plain"),
        "humanize": f"{humanize.__version__} from {humanize.__file__}",
        "tabulate": f"{tabulate.__version__} from {tabulate.__file__}",
    }
