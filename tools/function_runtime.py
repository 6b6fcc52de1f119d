"""Runs a function once, in a container: `function_runtime.py HANDLER EVENT`; its answer is the last line printed.

Run there by its path, with the standard library and AWS's own runtime interface client, which fetches the event from
Lambda's runtime API and hands its answer back; this is as much of that API as one event takes.
"""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class _Api(BaseHTTPRequestHandler):
    event = b""
    answer = b""
    answered = threading.Event()

    def do_GET(self) -> None:
        """Give the event, and after it none."""
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
        self.answered.set()

    def log_message(self, *_: Any) -> None:
        """Leave the output to the function."""


def main(handler: str, event: str) -> None:
    """Run the function and print what it answers."""
    _Api.event = event.encode()
    api = HTTPServer(("127.0.0.1", 0), _Api)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    environment = {**os.environ, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}"}
    client = subprocess.Popen([sys.executable, "-m", "awslambdaric", handler], env=environment)
    threading.Thread(target=_end_with, args=(client,), daemon=True).start()
    _Api.answered.wait()
    client.kill()
    print(json.dumps(json.loads(_Api.answer)), flush=True)


def _end_with(client: "subprocess.Popen[bytes]") -> None:
    client.wait()
    if not _Api.answered.is_set():
        # The main thread waits for an answer that does not come.
        os._exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
