"""An index on loopback that answers as `https://index.example`, so that what tools write down needs no change.

Tools reach it as a proxy: it takes every connection for its own, whatever the host, and has a certificate for
its hosts alone. So nothing that a tool does behind it leaves this machine.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.lockfiles.universe import BY_GIT, DIRECT, PRIVATE, PUBLIC, Release, Served, listed

PUBLIC_INDEX = "https://index.example/simple"
PRIVATE_INDEX = "https://private.example/simple"
_HOSTS = ("index.example", "files.example", "private.example")
_GIT_URL = "https://git.example/by-git.git"
_JSON = "application/vnd.pypi.simple.v1+json"
_KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT")


@contextmanager
def environment(folder: Path, programs: Path) -> Iterator[dict[str, str]]:
    """The environment in which tools see this index and nothing of the person's machine.

    Args:
        folder: Where homes, caches, certificate and repository are kept.
        programs: The folder with the tools.
    """
    certificates = _certificates(folder)
    _repository(folder / "by-git.git")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server)
    with _running(context) as port:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), f"http://127.0.0.1:{port}")
        bundles = dict.fromkeys(
            ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO"), str(certificates.authority)
        )
        path = os.pathsep.join([str(programs), kept.get("PATH", os.defpath)])
        yield {**kept, **proxies, **bundles, **_settings(folder, programs), "PATH": path}


def _settings(folder: Path, programs: Path) -> dict[str, str]:
    return {
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_INDEX_URL": PUBLIC_INDEX,
        "PIP_RETRIES": "0",
        "UV_DEFAULT_INDEX": PUBLIC_INDEX,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PREVIEW_FEATURES": "pylock",
        # Pipenv takes the environment that it is in, and so makes none.
        "VIRTUAL_ENV": str(programs.parent),
        "PIPENV_VERBOSITY": "-1",
        "POETRY_VIRTUALENVS_CREATE": "false",
        # Poetry's own client does not read what git is told below.
        "POETRY_SYSTEM_GIT_CLIENT": "true",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "INHOUSE_TOKEN": "token",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{(folder / 'by-git.git').as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": _GIT_URL,
    }


# --- a repository of git, whose one commit is the same each time ---


def _repository(folder: Path) -> None:
    who = {"NAME": "Tests", "EMAIL": "tests@git.example", "DATE": "2025-01-01T00:00:00Z"}
    authors = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ.get("PATH", os.defpath)}
    work = folder.with_suffix(".work")
    work.mkdir()
    write_tree(work, BY_GIT)

    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=work, env={**settings, **authors}, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("add", ".")
    git("commit", "--message=One release")
    git("tag", "v1.0")
    git("clone", "--bare", ".", str(folder))


def write_tree(folder: Path, release: Release) -> None:
    """Write a release as a project from which every tool can read what it needs without building it."""
    project = [
        "[project]",
        f'name = "{release.name}"',
        f'version = "{release.version}"',
        f'requires-python = "{release.python}"',
        f"dependencies = {json.dumps(list(release.needs))}",
    ]
    tree = release.source_tree()
    for path, text in {**tree, "pyproject.toml": "\n".join([*project, "", tree["pyproject.toml"]])}.items():
        (folder / path).write_text(text)


# --- a certificate, and the authority that tools are told to trust: some take no certificate that is both ---


@dataclass(frozen=True, kw_only=True)
class _Certificates:
    authority: Path
    server: Path
    """Certificate and key."""


def _certificates(folder: Path) -> _Certificates:
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _builder("authority", "authority", authority_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    server = _builder("server", "authority", server_key.public_key()).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(host) for host in _HOSTS]), critical=False
    )
    found = _Certificates(authority=folder / "authority.pem", server=folder / "server.pem")
    pem = serialization.Encoding.PEM
    found.authority.write_bytes(authority.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    key = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    found.server.write_bytes(server.sign(authority_key, hashes.SHA256()).public_bytes(pem) + key)
    return found


def _builder(name: str, issuer: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=7))
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


# --- the server ---


class _Shop:
    """What is at which address."""

    def __init__(self) -> None:
        self.indexes = {"index.example": listed(PUBLIC), "private.example": listed(PRIVATE)}
        direct = listed([DIRECT])
        self.files: dict[str, Served] = {}
        for area, names in (("public", self.indexes["index.example"]), ("direct", direct)):
            self.files.update({f"/{area}/{file.name}": file for files in names.values() for file in files})
        self.private = {file.name: file for files in self.indexes["private.example"].values() for file in files}

    def answer(self, host: str, path: str) -> tuple[str, bytes] | None:
        """Content type and content; None where there is nothing."""
        parts = path.strip("/").split("/")
        if parts[0] == "simple" and len(parts) == 2 and parts[1] in self.indexes.get(host, {}):
            return _JSON, _page(parts[1], self.indexes[host][parts[1]], host)
        file = self.files.get(path) if host == "files.example" else self.private.get(parts[-1])
        return ("application/octet-stream", file.content) if file else None


def _page(name: str, files: Sequence[Served], host: str) -> bytes:
    base = "https://files.example/public" if host == "index.example" else f"https://{host}/files"
    page = {
        "meta": {"api-version": "1.1"},
        "name": name,
        "versions": sorted({file.name.split("-")[1].removesuffix(".tar.gz") for file in files}),
        "files": [
            {
                "filename": file.name,
                "url": f"{base}/{file.name.replace('!', '%21').replace('+', '%2B')}",
                "hashes": {"sha256": file.sha256},
                "requires-python": file.python,
                "size": len(file.content),
                "upload-time": "2025-01-01T00:00:00.000000Z",
                "yanked": False,
            }
            for file in files
        ],
    }
    return json.dumps(page).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        try:
            self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        except (ssl.SSLError, OSError):
            # A tool that looks for somebody else, such as for its own updates.
            self.close_connection = True
            return
        self._renew_streams()
        self.close_connection = False

    def _renew_streams(self) -> None:
        """Go on within the encrypted connection."""
        for stream in (self.rfile, self.wfile):
            stream.close()
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)

    def finish(self) -> None:
        super().finish()
        # The server knows the connection only as it was before it was encrypted.
        self.connection.close()

    def do_GET(self) -> None:
        host, path = self.headers.get("Host", "").partition(":")[0], self.path.partition("?")[0].replace("%21", "!")
        answer = self.server.shop.answer(host, path.replace("%2B", "+").replace("%2b", "+"))
        kind, content = answer or ("text/plain", b"there is nothing")
        self.send_response(200 if answer else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815 (the name is http.server's)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context = context
        self.shop = _Shop()

    def handle_error(self, *_: Any) -> None:
        """Say nothing: tools close connections as they please."""


@contextmanager
def _running(context: ssl.SSLContext) -> Iterator[int]:
    with _Server(context) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
