"""Runs a function in a container: `function_runtime.py HANDLER EVENT...`; its answers stand on lines of their own.

Run there by its path, with the standard library and AWS's own runtime interface client, which fetches the event from
Lambda's runtime API and hands its answer back; this is as much of that API as one event takes. Each event is for a new
process, which finds /tmp as the one before has left it. As in Lambda, a process that is not ready after ten seconds, or
`INIT_SECONDS`, is cut off, and another one has all the time it wants.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

CUT_OFF = "init was cut off, and starts again"

_INIT_SECONDS = 10.0


class _Api(BaseHTTPRequestHandler):
    event = b""
    answer = b""
    begun = threading.Event()
    """Set when the function is ready, or is not going to be."""
    answered = threading.Event()

    def do_GET(self) -> None:
        """Give the event, and after it none."""
        self.begun.set()
        if _Api.answered.is_set():
            threading.Event().wait()
        self.send_response(200)
        for name, value in {
            # Without it the client crashes.
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": "1",
            "Lambda-Runtime-Deadline-Ms": "9999999999999",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:tried",
            "Content-Length": str(len(self.event)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.event)

    def do_POST(self) -> None:
        """Take the answer, be it a result or an error."""
        _Api.answer = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.begun.set()
        self.answered.set()

    def log_message(self, *_: Any) -> None:
        """Leave the output to the function."""


def main(handler: str, *events: str) -> None:
    """Run the function for each event and print what it answers."""
    for event in events:
        _Api.event = event.encode()
        _Api.begun.clear()
        _Api.answered.clear()
        # Each has a server of its own: that of the event before keeps its client waiting.
        api = HTTPServer(("127.0.0.1", 0), _Api)
        threading.Thread(target=api.serve_forever, daemon=True).start()
        client = _ready(handler, f"127.0.0.1:{api.server_port}")
        watch = threading.Thread(target=_end_with, args=(client,), daemon=True)
        watch.start()
        _Api.answered.wait()
        client.kill()
        watch.join()
        print(json.dumps(json.loads(_Api.answer)), flush=True)


def _ready(handler: str, api: str) -> "subprocess.Popen[bytes]":
    """Return a process of the function that has come through its init phase, or is given the time to."""
    client = _client(handler, api)
    if not _Api.begun.wait(float(os.environ.get("INIT_SECONDS", _INIT_SECONDS))):
        client.kill()
        client.wait()
        print(CUT_OFF, flush=True)
        client = _client(handler, api)
    return client


def _client(handler: str, api: str) -> "subprocess.Popen[bytes]":
    environment = {"AWS_LAMBDA_FUNCTION_NAME": "tried", **os.environ, "AWS_LAMBDA_RUNTIME_API": api}
    return subprocess.Popen([sys.executable, "-m", "awslambdaric", handler], env=environment)


def _end_with(client: "subprocess.Popen[bytes]") -> None:
    client.wait()
    if not _Api.answered.is_set():
        # The main thread waits for an answer that does not come.
        os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
