"""What the engine sends along with a call to a dynamic provider, and the SDK does not hand on.

A method of a dynamic provider is given properties and nothing else. The resource's URN, the
engine's log and the end of the call sit in the frame of the SDK's servicer that calls it. They are looked up there,
and whatever is not found is done without: progress goes to stderr, an error comes with a traceback.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import TYPE_CHECKING, Any

from python_layer_provider.errors import LayerError
from python_layer_provider.progress import Progress

if TYPE_CHECKING:
    from pulumi.runtime.proto.engine_pb2_grpc import EngineStub

# How far above a method of the provider its servicer may be.
_FRAMES = 12
# Seconds between two lines of fleeting progress: the terminal redraws, nobody reads faster.
_PAUSE = 0.1


class EngineProgress(Progress):
    """Progress that the engine shows on the resource."""

    def __init__(self, urn: str) -> None:
        super().__init__()
        self.urn = urn
        """The resource's; empty where it cannot be found."""
        self._last = 0.0

    def step(self, message: str) -> None:
        """Show a line on the resource while it is worked on."""
        now = time.monotonic()
        if now - self._last >= _PAUSE:
            self._last = now
            self._log(message, "INFO", ephemeral=True)

    def info(self, message: str) -> None:
        """Show a line under the resource in Diagnostics."""
        self._log(message, "INFO")

    def debug(self, message: str) -> None:
        """Show a line on the resource where `pulumi` runs with `--debug`."""
        self._log(message, "DEBUG", ephemeral=True)

    def warn(self, message: str) -> None:
        """Show a warning under the resource in Diagnostics."""
        self._log(message, "WARNING")

    def _log(self, message: str, severity: str, *, ephemeral: bool = False) -> None:
        from grpc import RpcError  # noqa: PLC0415 (loaded by the SDK when there is an engine)
        from pulumi.runtime.proto import engine_pb2  # noqa: PLC0415 (as grpc)

        stub = _engine(sys.argv[-1])
        try:
            if stub:
                level = engine_pb2.LogSeverity.Value(severity)
                stub.Log(engine_pb2.LogRequest(severity=level, message=message, urn=self.urn, ephemeral=ephemeral))
                return
        except RpcError:
            # The engine is gone, or ends: nobody reads it any more.
            pass
        if not ephemeral:
            sys.stderr.write(f"{severity.lower()}: {message}\n")


@contextmanager
def engine_call() -> Iterator[EngineProgress]:
    """The call under way: its progress, which is interrupted when the engine gives the call up.

    An error of ours that leaves the block reaches the person as its message alone; newer SDKs
    would send the traceback.
    """
    request, context = _servicer_frame()
    progress = EngineProgress(getattr(request, "urn", ""))
    # Runs at the end of every call; after an ordinary one nobody listens to the progress any more.
    if context is not None and not context.add_callback(progress.interrupt):
        # The call had been given up before it got here.
        progress.interrupt()
    try:
        yield progress
    except LayerError as error:
        if context is not None:
            _abort_with(context, str(error))
        raise


def _servicer_frame() -> tuple[Any, Any]:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 (the only way to it; see the module)
    for _ in range(_FRAMES):
        if frame is None:
            break
        names = frame.f_locals
        if hasattr(names.get("context"), "add_callback") and hasattr(names.get("request"), "urn"):
            return names["request"], names["context"]
        frame = frame.f_back
    return None, None


def _abort_with(context: Any, message: str) -> None:
    """Have this call, if it is aborted, be aborted with our message."""
    abort = context.abort

    def abort_with_message(code: Any, _details: str) -> None:
        abort(code, message)

    context.abort = abort_with_message


@cache
def _engine(address: str) -> EngineStub | None:
    """The engine's own services; the SDK starts the provider's process with the address as last argument."""
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal()):
        return None
    import grpc  # noqa: PLC0415 (loaded by the SDK when there is an engine)
    from pulumi.runtime.proto.engine_pb2_grpc import EngineStub  # noqa: PLC0415 (as grpc)

    return EngineStub(grpc.insecure_channel(address))
