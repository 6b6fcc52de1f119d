"""A small fake of Lambda's endpoint: says what it is told to, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PUBLISHED = json.dumps(
    {
        "LayerArn": "arn:aws:lambda:eu-west-1:123456789012:layer:deps",
        "LayerVersionArn": "arn:aws:lambda:eu-west-1:123456789012:layer:deps:3",
        "Version": 3,
        "CreatedDate": "2026-11-21T08:00:00.000+0000",
        "Content": {"CodeSha256": "sha", "CodeSize": 2},
    }
).encode()
"""Lambda's answer to a publish."""


@dataclass
class FakeLambda:
    """What the endpoint answers, and what it has seen."""

    endpoint: str = ""
    status: int = 200
    error: str = ""
    """Lambda's code of the error, such as `TooManyRequestsException`."""
    body: bytes = PUBLISHED
    reset: bool = False
    """Whether the connection is broken off instead of an answer."""
    requests: list[str] = field(default_factory=list)
    """Method and path of each request."""
    on_request: Callable[[], None] = lambda: None
    """Runs before the answer."""

    def refuse(self, status: int, error: str, message: str = "said the fake") -> None:
        """Answer with an error from now on."""
        self.status, self.error, self.body = status, error, json.dumps({"message": message}).encode()


@contextmanager
def serving() -> Iterator[FakeLambda]:
    """A fake that answers on loopback for the length of the block."""
    fake = FakeLambda()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    fake.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(fake: FakeLambda) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fake.requests.append(f"{self.command} {self.path}")
            fake.on_request()
            if fake.reset:
                # Closing with no time to linger sends RST instead of FIN.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                return
            self.send_response(fake.status)
            if fake.error:
                self.send_header("X-Amzn-Errortype", fake.error)
            self.send_header("Content-Length", str(len(fake.body)))
            self.end_headers()
            self.wfile.write(fake.body)

        do_GET = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 (the names that http.server calls)

        def log_message(self, *_: object) -> None:
            """Say nothing: the tests look at `requests`."""

    return Handler
