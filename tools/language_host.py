"""Stands in for `pulumi-language-python`, which runs Python programs for the engine, where the official one is missing.

Run by its path, so it imports nothing of this project. The engine calls it as `pulumi-language-python ENGINE`, reads a
port from its first line, and speaks `pulumirpc.LanguageRuntime` to it.
"""

# ruff: noqa: ARG002, N802 - the protocol chose the names and the arguments

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

# How a program tells that it has already shown its error.
_BAIL = 32
_ORPHAN_CHECK_SECONDS = 1


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The calls that the engine makes; one Run at a time."""

    def __init__(self, executor: str, engine: str) -> None:
        """Remember the script that runs a program, and the engine's address to give to it."""
        self._executor = executor
        self._engine = engine
        self._running: subprocess.Popen[bytes] | None = None

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        """Tell the version, which nobody depends on."""
        return plugin_pb2.PluginInfo(version="0.0.0")

    def GetRequiredPackages(self, request: Any, context: Any) -> language_pb2.GetRequiredPackagesResponse:
        """Ask for no plugins: where this host is used none can be downloaded, and those on PATH are found anyway."""
        return language_pb2.GetRequiredPackagesResponse()

    def GetRequiredPlugins(self, request: Any, context: Any) -> language_pb2.GetRequiredPluginsResponse:
        """Ask for no plugins."""
        return language_pb2.GetRequiredPluginsResponse()

    def About(self, request: language_pb2.AboutRequest, context: Any) -> language_pb2.AboutResponse:
        """Tell which Python runs programs."""
        python = _Python(request.info)
        version = subprocess.run([python.path, "-V"], capture_output=True, text=True, check=False).stdout
        return language_pb2.AboutResponse(executable=python.path, version=version.removeprefix("Python ").strip())

    def Run(self, request: language_pb2.RunRequest, context: Any) -> language_pb2.RunResponse:
        """Run a program to its end."""
        python = _Python(request.info)
        if python.error:
            return language_pb2.RunResponse(error=python.error)
        command = [python.path, "-u", self._executor, *self._arguments(request)]
        environment = {**python.environment, **_configuration(request)}
        self._running = subprocess.Popen(command, cwd=request.info.program_directory or None, env=environment)
        return _response(self._running.wait())

    def _arguments(self, request: language_pb2.RunRequest) -> list[str]:
        named = {
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": str(request.dryRun).lower(),
            "parallel": str(request.parallel),
            "organization": request.organization,
        }
        options = [word for name, value in named.items() if value for word in (f"--{name}", value)]
        return [*options, request.info.entry_point or ".", *request.args]

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: Any
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Install the program's requirements into its virtual environment, made where it is missing."""
        python = _Python(request.info)
        commands = []
        if python.folder is not None and python.error:
            commands.append([sys.executable, "-m", "venv", str(python.folder)])
        if Path(request.directory, "requirements.txt").is_file():
            commands.append([python.path, "-m", "pip", "install", "-r", "requirements.txt"])
        for command in commands:
            code = yield from _streamed(command, request.directory)
            if code != 0:
                context.abort(grpc.StatusCode.UNKNOWN, f"{' '.join(command)} ended with exit code {code}")

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: Any
    ) -> language_pb2.GetProgramDependenciesResponse:
        """List what is installed beside the program."""
        listing = [_Python(request.info).path, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
        if not request.transitiveDependencies:
            listing.append("--not-required")
        said = subprocess.run(listing, capture_output=True, text=True, check=False).stdout or "[]"
        found = [language_pb2.DependencyInfo(name=one["name"], version=one["version"]) for one in json.loads(said)]
        return language_pb2.GetProgramDependenciesResponse(dependencies=found)

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        """End a program that still runs."""
        if self._running is not None and self._running.poll() is None:
            self._running.terminate()
        return empty_pb2.Empty()


class _Python:
    """The interpreter for a program: its virtual environment's, else PULUMI_PYTHON_CMD, else python3."""

    def __init__(self, info: language_pb2.ProgramInfo) -> None:
        self.path = os.environ.get("PULUMI_PYTHON_CMD", "python3")
        self.environment = dict(os.environ)
        self.error = ""
        self.folder = _virtualenv(info)
        if self.folder is not None:
            self._enter(self.folder)

    def _enter(self, folder: Path) -> None:
        self.path = str(folder / "bin" / "python")
        self.environment.pop("PYTHONHOME", None)
        self.environment["VIRTUAL_ENV"] = str(folder)
        self.environment["PATH"] = os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", os.defpath)])
        if not Path(self.path).exists():
            self.error = (
                f"The 'virtualenv' option in Pulumi.yaml is set to {str(folder)!r}, which is not a virtual environment."
                " Run `pulumi install` to make it."
            )


def _virtualenv(info: language_pb2.ProgramInfo) -> Path | None:
    fields = info.options.fields
    name = fields["virtualenv"].string_value if "virtualenv" in fields else ""
    if not name and "toolchain" in fields and fields["toolchain"].string_value == "uv":
        name = ".venv"
    return Path(info.root_directory, name) if name else None


def _configuration(request: language_pb2.RunRequest) -> dict[str, str]:
    return {
        "PULUMI_CONFIG": json.dumps(dict(request.config)),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
    }


def _response(code: int) -> language_pb2.RunResponse:
    if code == 0:
        return language_pb2.RunResponse()
    if code == _BAIL:
        return language_pb2.RunResponse(bail=True)
    if code < 0:
        return language_pb2.RunResponse(error=f"Program was ended by {signal.Signals(-code).name}")
    return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {code}")


def _streamed(command: list[str], folder: str) -> Generator[language_pb2.InstallDependenciesResponse, None, int]:
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout or ():
            yield language_pb2.InstallDependenciesResponse(stdout=line)
    return process.returncode


def main(arguments: list[str]) -> None:
    """Serve until told to end, or until the engine is gone."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    engine = os.getppid()
    # The address is last; logging flags may come before it.
    host = LanguageHost(executor=arguments[0], engine=arguments[-1])
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    while not ended.wait(_ORPHAN_CHECK_SECONDS) and os.getppid() == engine:
        pass
    host.Cancel(None, None)
    server.stop(None)


if __name__ == "__main__":
    main(sys.argv[1:])
