"""Says hello, and which requests it was given."""

import orjson
import pyleri
import requests


def handler(event: dict, context: object) -> dict:
    """Answer an event such as `{"name": "Ada"}`."""
    return {
        "hello": event["name"],
        "requests": f"{requests.__version__} from {requests.__file__}",
        "compiled": [module.__name__ for module in (orjson, pyleri)],
    }
