"""Reads a note from the table that the program names."""

import os

import boto3

notes = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handler(event: dict, context: object) -> dict:
    """Answer an event such as `{"id": "first"}`."""
    return {
        "note": notes.get_item(Key={"id": event["id"]}).get("Item"),
        "boto3": f"{boto3.__version__} from {boto3.__file__}",
    }
