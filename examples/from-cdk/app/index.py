"""Formats an amount: `babel` comes from the function's own layer, `structlog` from the shared one."""

import os

import babel
import structlog
from babel.numbers import format_currency

log = structlog.get_logger()


def handler(event: dict, context: object) -> dict:
    """Answer an event such as `{"amount": 1234.5}`."""
    total = format_currency(event["amount"], os.environ["CURRENCY"], locale="en")
    log.info("formatted", total=total)
    return {
        "total": total,
        "babel": f"{babel.__version__} from {babel.__file__}",
        "structlog": f"{structlog.__version__} from {structlog.__file__}",
    }
