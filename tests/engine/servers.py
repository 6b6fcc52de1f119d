"""Servers on this machine: wheels that no index has, and an AWS that refuses."""

import base64
import functools
import hashlib
import http.client
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_Answer = tuple[int, dict[str, str], bytes]
_HANDED_ON = {"content-type", "x-amzn-errortype"}
# Longer than any test takes.
_PATIENCE = 60


def make_wheel(folder: Path, name: str, files: Mapping[str, bytes], *, tag: str = "py3-none-any") -> Path:
    """A wheel of version 1.0 with these files."""
    info = f"{name}-1.0.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    members = {**files, **metadata}
    record = "".join(f"{path},{_record_hash(content)},{len(content)}\n" for path, content in members.items())
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, content in members.items():
            wheel.writestr(member, content)
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return path


def _record_hash(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


class Shelf:
    """A folder of wheels that containers can fetch, at once or when the test says so."""

    def __init__(self, folder: Path, base: str) -> None:
        self.folder = folder
        self.base = base
        self.asked = threading.Event()
        """Set when the first file is asked for."""
        self.giving = threading.Event()
        """Files are held back until this is set."""
        self.giving.set()
        self.authorizations: set[str] = set()
        """What callers have shown as theirs."""

    def wheel(self, name: str, files: Mapping[str, bytes], *, tag: str = "py3-none-any") -> str:
        """Put a wheel on the shelf; its line in a lock file."""
        path = make_wheel(self.folder, name, files, tag=tag)
        return f"{name} @ {self.base}/{path.name} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@contextmanager
def shelf(folder: Path, address: str) -> Iterator[Shelf]:
    """Serve a folder at an address of this machine."""
    found = Shelf(folder, "")
    with _running(functools.partial(_ShelfHandler, found), address) as port:
        found.base = f"http://{address}:{port}"
        yield found
        found.giving.set()


class Gate:
    """Stands before the emulator, hands on what it is asked, and refuses or delays what a test names."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.calls: list[str] = []
        """Method and path of every request."""
        self.refusal: tuple[int, str] | None = None
        """Status and error code with which publishing is answered."""
        self.answering = threading.Event()
        """Answers to publishing are held back until this is set; the emulator has done its work by then."""
        self.answering.set()
        self.published = threading.Event()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        """What the caller gets."""
        self.calls.append(f"{method} {path}")
        publishing = method == "POST" and path.endswith("/versions")
        if publishing and self.refusal:
            status, code = self.refusal
            return status, {"x-amzn-ErrorType": code}, b'{"message": "said the gate"}'
        answer = self._handed_on(method, path, headers, body)
        if publishing:
            self.published.set()
            self.answering.wait(_PATIENCE)
        return answer

    def _handed_on(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc)
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        content = response.read()
        connection.close()
        kept = {name: value for name, value in response.getheaders() if name.lower() in _HANDED_ON}
        return response.status, kept, content


@contextmanager
def gate(endpoint: str) -> Iterator[tuple[str, Gate]]:
    """A gate before the emulator; its URL, to be set as AWS_ENDPOINT_URL, and itself."""
    found = Gate(endpoint)
    with _running(functools.partial(_GateHandler, found), "127.0.0.1") as port:
        yield f"http://127.0.0.1:{port}", found


class _ShelfHandler(SimpleHTTPRequestHandler):
    def __init__(self, found: Shelf, *arguments: Any) -> None:
        self._shelf = found
        super().__init__(*arguments, directory=str(found.folder))

    def do_GET(self) -> None:
        self._shelf.authorizations.add(self.headers.get("Authorization", ""))
        self._shelf.asked.set()
        self._shelf.giving.wait(_PATIENCE)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


class _GateHandler(BaseHTTPRequestHandler):
    def __init__(self, found: Gate, *arguments: Any) -> None:
        self._gate = found
        super().__init__(*arguments)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, answer = self._gate.answer(self.command, self.path, dict(self.headers), body)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 (the names are http.server's)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _running(handler: Callable[..., BaseHTTPRequestHandler], address: str) -> Iterator[int]:
    with ThreadingHTTPServer((address, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
