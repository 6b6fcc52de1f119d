from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import engine_pb2, provider_pb2
from pulumi.runtime.proto.engine_pb2_grpc import EngineServicer, add_EngineServicer_to_server
from pulumi.runtime.proto.provider_pb2_grpc import (
    ResourceProviderServicer,
    ResourceProviderStub,
    add_ResourceProviderServicer_to_server,
)

from python_layer_provider.errors import EmptyTreeError
from python_layer_provider.rpc import EngineProgress, engine_call

URN = "urn:pulumi:dev::project::pulumi-python:dynamic/python_layer:PythonLayer::deps"


class EngineStandIn(EngineServicer):
    """Stands in for the engine's log."""

    def __init__(self) -> None:
        self.logged: list[tuple[str, str, str, bool]] = []

    def Log(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: ARG002, N802 (gRPC's)
        severity = engine_pb2.LogSeverity.Name(request.severity)
        self.logged.append((severity, request.message, request.urn, request.ephemeral))
        return empty_pb2.Empty()


class ServicerStandIn(ResourceProviderServicer):
    """Stands in for the SDK's servicer, which cannot be imported without being run."""

    def __init__(self, method: Callable[[], None]) -> None:
        self.method = method

    def Create(self, request: Any, context: Any) -> provider_pb2.CreateResponse:  # noqa: N802 (gRPC's)
        # As newer SDKs do.
        try:
            self._create(request, context)
        except Exception:  # noqa: BLE001 (the SDK's)
            context.abort(grpc.StatusCode.UNKNOWN, traceback.format_exc())
        return provider_pb2.CreateResponse(id="made")

    def _create(self, request: Any, context: Any) -> None:  # noqa: ARG002 (what `rpc` looks up)
        self.method()


@contextmanager
def served(add: Callable[[Any, grpc.Server], None], servicer: Any) -> Iterator[str]:
    """A gRPC server on loopback; gives its address."""
    server = grpc.server(ThreadPoolExecutor(2))
    add(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


@contextmanager
def calling(method: Callable[[], None]) -> Iterator[ResourceProviderStub]:
    """A servicer of which `Create` calls the method."""
    with (
        served(add_ResourceProviderServicer_to_server, ServicerStandIn(method)) as address,
        grpc.insecure_channel(address) as channel,
    ):
        yield ResourceProviderStub(channel)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineStandIn]:
    """An engine whose address is this process's last argument."""
    engine = EngineStandIn()
    with served(add_EngineServicer_to_server, engine) as address:
        monkeypatch.setattr(sys, "argv", ["pulumi-resource-pulumi-python", address])
        yield engine


# What is said.


def test_what_is_said_shows_on_the_resource(engine: EngineStandIn) -> None:
    progress = EngineProgress(URN)
    progress.step("a step")
    progress.info("an information")
    progress.warn("a warning")
    assert engine.logged == [
        ("INFO", "a step", URN, True),
        ("INFO", "an information", URN, False),
        ("WARNING", "a warning", URN, False),
    ]


def test_steps_that_nobody_could_read_are_left_out(engine: EngineStandIn) -> None:
    progress = EngineProgress(URN)
    for number in range(1000):
        progress.step(f"step {number}")
    assert engine.logged[0][1] == "step 0"
    assert len(engine.logged) < 20


@pytest.mark.parametrize("argument", ["-q", "127.0.0.1:", ":1", "tests/unit/test_rpc.py::test", "127.0.0.1:9"])
def test_without_an_engine_it_is_said_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], argument: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["python", argument])
    progress = EngineProgress("")
    progress.step("a step")
    progress.info("an information")
    progress.warn("a warning")
    assert capfd.readouterr().err == "info: an information\nwarning: a warning\n"


# The call.


def test_the_resource_is_the_calls(engine: EngineStandIn) -> None:
    def method() -> None:
        with engine_call() as progress:
            progress.warn("a warning")

    with calling(method) as provider:
        assert provider.Create(provider_pb2.CreateRequest(urn=URN)).id == "made"
    assert engine.logged == [("WARNING", "a warning", URN, False)]


def test_a_call_that_is_given_up_interrupts_its_progress() -> None:
    started, interrupted = threading.Event(), threading.Event()

    def method() -> None:
        with engine_call() as progress, progress.interrupting(interrupted.set):
            started.set()
            interrupted.wait(10)

    with calling(method) as provider:
        call = provider.Create.future(provider_pb2.CreateRequest(urn=URN))
        assert started.wait(10)
        call.cancel()
        assert interrupted.wait(10)


def test_a_call_that_ends_by_itself_has_not_been_interrupted() -> None:
    seen: list[bool] = []

    def method() -> None:
        with engine_call() as progress:
            seen.append(progress.interrupted)

    with calling(method) as provider:
        provider.Create(provider_pb2.CreateRequest(urn=URN))
    assert seen == [False]


class EndedCall:
    """A fake of the context of a call that was given up while it waited for its turn."""

    def add_callback(self, _: Callable[[], None]) -> bool:
        return False


def test_a_call_that_was_given_up_before_it_began_is_interrupted() -> None:
    context, request = EndedCall(), provider_pb2.CreateRequest(urn=URN)
    with engine_call() as progress:
        assert (progress.interrupted, context, request) == (True, context, request)


def failing_with(error: Exception) -> grpc.RpcError:
    def method() -> None:
        with engine_call():
            raise error

    with calling(method) as provider, pytest.raises(grpc.RpcError) as caught:
        provider.Create(provider_pb2.CreateRequest(urn=URN))
    return caught.value


def test_an_error_of_ours_reaches_the_person_without_a_traceback() -> None:
    error = EmptyTreeError("Nothing there", hint="lock something")
    found = failing_with(error)
    assert found.code() == grpc.StatusCode.UNKNOWN
    assert found.details() == "Nothing there\nhint: lock something [PYL-TREE-EMPTY]"


def test_another_error_keeps_its_traceback() -> None:
    details = failing_with(ZeroDivisionError("a defect")).details() or ""
    assert "Traceback" in details
    assert "ZeroDivisionError: a defect" in details


def test_an_error_outside_of_a_call_is_itself() -> None:
    with pytest.raises(EmptyTreeError, match="Nothing there"), engine_call():
        raise EmptyTreeError("Nothing there")


def test_a_frame_that_only_looks_like_a_servicer_is_none(capfd: pytest.CaptureFixture[str]) -> None:
    request, context = "a request", "a context"
    with engine_call() as progress:
        progress.info(f"{request}, {context}")
    assert capfd.readouterr().err == "info: a request, a context\n"
