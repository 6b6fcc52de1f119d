"""Servers on this machine: wheels that no index has, and an AWS that refuses."""

import base64
import functools
import hashlib
import http.client
import re
import socket
import struct
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_Answer = tuple[int, dict[str, str], bytes]
# Of the connection, not of what travels on it.
_HOP_BY_HOP = {"connection", "date", "expect", "keep-alive", "server", "transfer-encoding"}
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


# Method, path and query of a request to what AWS calls it; the first one that fits counts.
_CALLS = (
    ("PublishLayerVersion", r"POST .*/layers/[^/]+/versions"),
    ("ListLayerVersions", r"GET .*/layers/[^/]+/versions(\?.*)?"),
    ("GetLayerVersion", r"GET .*/layers/[^/]+/versions/\d+"),
    ("DeleteLayerVersion", r"DELETE .*/layers/[^/]+/versions/\d+"),
    ("AddLayerVersionPermission", r"POST .*/layers/[^/]+/versions/\d+/policy"),
    ("GetLayerVersionPolicy", r"GET .*/layers/[^/]+/versions/\d+/policy"),
    ("RemoveLayerVersionPermission", r"DELETE .*/layers/[^/]+/versions/\d+/policy/.+"),
    ("ListFunctions", r"GET /2015-03-31/functions/?(\?.*)?"),
    ("HeadObject", r"HEAD /[^/]+/.+"),
    ("CreateMultipartUpload", r"POST /[^/]+/.+\?uploads"),
    ("UploadPart", r"PUT /[^/]+/.+\?.*partNumber=.*"),
    ("CompleteMultipartUpload", r"POST /[^/]+/.+\?uploadId=.*"),
    ("AbortMultipartUpload", r"DELETE /[^/]+/.+\?uploadId=.*"),
    ("ListMultipartUploads", r"GET /[^/]+/?\?uploads.*"),
    ("ListParts", r"GET /[^/]+/.+\?.*uploadId=.*"),
    ("GetObject", r"GET /[^/]+/.+"),
    ("PutObject", r"PUT /[^/]+/[^?]+(\?.*)?"),
)


def call_of(method: str, path: str) -> str:
    """What AWS calls a request to Lambda or S3; its method and path where it is another one."""
    request = f"{method} {path}"
    return next((name for name, pattern in _CALLS if re.fullmatch(pattern, request)), request)


class Fault(Enum):
    """What goes wrong with a call; the value says it to people."""

    THROTTLED = "throttled"
    FAILED = "server error"
    SILENT = "no answer"
    SILENT_AFTER = "no answer, but done"
    RESET = "connection reset"
    RESET_AFTER = "connection reset, but done"
    DENIED = "access denied"
    EXPIRED = "token expired"
    MISSING = "not found"


# Status and code of each error, as Lambda and as S3 has it.
_LAMBDA_ERRORS = {
    Fault.THROTTLED: (429, "TooManyRequestsException"),
    Fault.FAILED: (500, "ServiceException"),
    Fault.DENIED: (403, "AccessDeniedException"),
    Fault.EXPIRED: (403, "ExpiredTokenException"),
    Fault.MISSING: (404, "ResourceNotFoundException"),
}
_S3_ERRORS = {
    Fault.THROTTLED: (503, "SlowDown"),
    Fault.FAILED: (500, "InternalError"),
    Fault.DENIED: (403, "AccessDenied"),
    Fault.EXPIRED: (400, "ExpiredToken"),
    Fault.MISSING: (404, "NoSuchBucket"),
}
_OF_AN_UPLOAD = {"UploadPart", "CompleteMultipartUpload"}
_SILENT, _RESET = {Fault.SILENT, Fault.SILENT_AFTER}, {Fault.RESET, Fault.RESET_AFTER}
_DONE = {Fault.SILENT_AFTER, Fault.RESET_AFTER}


def _error(fault: Fault, call: str) -> _Answer:
    """An error in the words of the service that is called."""
    if re.search("Layer|Function", call):
        status, code = _LAMBDA_ERRORS[fault]
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
        return status, headers, b'{"Type": "User", "message": "said the gate"}'
    status, code = _S3_ERRORS[fault]
    code = "NoSuchUpload" if fault is Fault.MISSING and call in _OF_AN_UPLOAD else code
    text = f"<Error><Code>{code}</Code><Message>said the gate</Message></Error>"
    # What asks for headers gets no body, so that S3's code does not arrive.
    return status, {"Content-Type": "application/xml"}, b"" if call == "HeadObject" else text.encode()


@dataclass
class _Failing:
    """A call that fails."""

    call: str
    fault: Fault
    times: int | None
    """How often; None stands for always."""
    region: str
    """Where; empty stands for everywhere."""
    met: int = 0
    """How often it was made."""

    def takes(self, call: str, headers: Mapping[str, str]) -> bool:
        """Whether this call fails, this time."""
        if call != self.call or f"/{self.region}" not in headers.get("Authorization", ""):
            return False
        self.met += 1
        return self.times is None or self.met <= self.times


class _NoAnswerError(Exception):
    """The connection ends without an answer: at once, or when the caller has given up."""


class Gate:
    """Stands before the emulator, hands on what it is asked, and refuses, breaks or delays what a test names."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.calls: list[str] = []
        """Method and path of every request."""
        self.names: list[str] = []
        """What AWS calls them."""
        self.refusal: tuple[int, str] | None = None
        """Status and error code with which publishing is answered."""
        self.answering = threading.Event()
        """Answers to `held` are held back until this is set; the emulator has done its work by then."""
        self.answering.set()
        self.held = "PublishLayerVersion"
        """The call whose answers are held back."""
        self.published = threading.Event()
        """Set when the emulator has done what `held` asks for."""
        self._ended = threading.Event()
        self._failing: list[_Failing] = []

    def fail(self, call: str, fault: Fault, times: int | None = None, *, region: str = "") -> None:
        """Have a call fail from now on, always or so many times, in one region or in all."""
        self._failing.append(_Failing(call=call, fault=fault, times=times, region=region))

    def recover(self) -> int:
        """Have all calls go through again; how often those that failed were made."""
        failing, self._failing = self._failing, []
        return sum(each.met for each in failing)

    def end(self) -> None:
        """Give up what still waits."""
        self._ended.set()
        self.answering.set()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        """What the caller gets."""
        call = call_of(method, path)
        self.calls.append(f"{method} {path}")
        self.names.append(call)
        if call == "PublishLayerVersion" and self.refusal:
            status, code = self.refusal
            return status, {"x-amzn-ErrorType": code}, b'{"message": "said the gate"}'
        failing = next((each for each in self._failing if each.takes(call, headers)), None)
        if failing:
            return self._failed(failing.fault, method, path, headers, body)
        answer = self._handed_on(method, path, headers, body)
        if call == self.held:
            self.published.set()
            self.answering.wait(_PATIENCE)
        return answer

    def _failed(self, fault: Fault, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        if fault not in _SILENT | _RESET:
            return _error(fault, call_of(method, path))
        if fault in _DONE:
            self._handed_on(method, path, headers, body)
        if fault in _SILENT:
            self._ended.wait(_PATIENCE)
        raise _NoAnswerError

    def _handed_on(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc)
        connection.request(method, path, body=body, headers=_end_to_end(headers.items()))
        response = connection.getresponse()
        content = response.read()
        connection.close()
        return response.status, _end_to_end(response.getheaders()), content


def _end_to_end(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in _HOP_BY_HOP}


@contextmanager
def gate(endpoint: str, address: str = "127.0.0.1") -> Iterator[tuple[str, Gate]]:
    """A gate before the emulator, at an address of this machine; its URL, to be AWS_ENDPOINT_URL, and itself."""
    found = Gate(endpoint)
    with _running(functools.partial(_GateHandler, found), address) as port:
        yield f"http://{address}:{port}", found
        found.end()


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
    # Or who uploads would wait a second for leave to send.
    protocol_version = "HTTP/1.1"

    def __init__(self, found: Gate, *arguments: Any) -> None:
        self._gate = found
        super().__init__(*arguments)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.close_connection = True
        try:
            status, headers, answer = self._gate.answer(self.command, self.path, dict(self.headers), body)
        except _NoAnswerError:
            # Closing with no time to linger sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        # Whoever asks for headers alone is told the size of what he does not get.
        self._answer(status, {"Content-Length": str(len(answer)), **headers, "Connection": "close"}, answer)

    def _answer(self, status: int, headers: Mapping[str, str], answer: bytes) -> None:
        # Who has given up waiting does not listen.
        with suppress(OSError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 (the names are http.server's)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _running(handler: Callable[..., BaseHTTPRequestHandler], address: str) -> Iterator[int]:
    with ThreadingHTTPServer((address, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
