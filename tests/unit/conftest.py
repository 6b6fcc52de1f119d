"""Unit tests see nothing of the person's machine: no caches, no AWS settings, no certificates."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from moto.server import ThreadedMotoServer

from tests.unit.aws_fake import FakeLambda, serving

# A shared machine is slow at times; that is no failure.
settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")

_OURS = ("AWS_", "PULUMI_", "PYTHON_LAYER_", "XDG_", "DOCKER_")
_OTHERS = {"PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"}


@pytest.fixture(autouse=True, scope="module")
def _machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(_OURS) or name in _OTHERS or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The endpoint of a moto server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def fake_lambda(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeLambda]:
    """A Lambda endpoint that answers what a test tells it to; retries do not wait."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with serving() as fake:
        yield fake
