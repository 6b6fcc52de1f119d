from __future__ import annotations

import pytest

from python_layer_provider.settings import image_template
from python_layer_provider.target import DEFAULT_IMAGE


@pytest.mark.parametrize(
    ("given", "environ", "template"),
    [
        ("given", {"PYTHON_LAYER_IMAGE": "environment"}, "given"),
        (None, {"PYTHON_LAYER_IMAGE": "environment"}, "environment"),
        (None, {"PYTHON_LAYER_IMAGE": ""}, DEFAULT_IMAGE),
        (None, {}, DEFAULT_IMAGE),
    ],
)
def test_images_come_from_what_is_given_then_the_environment(
    given: str | None, environ: dict[str, str], template: str
) -> None:
    assert image_template(given, environ) == template
