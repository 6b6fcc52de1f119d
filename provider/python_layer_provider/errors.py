"""Every error this project raises, and the names by which the documentation explains them.

LayerError
├── InputError                       what the program or the command line asks for; found in preview
│   ├── LockFileNotFoundError        PYL-LOCK-NOT-FOUND
│   ├── LockFileEmptyError           PYL-LOCK-EMPTY
│   ├── LockFileSyntaxError          PYL-LOCK-SYNTAX
│   ├── LockFileUnsupportedError     PYL-LOCK-UNSUPPORTED
│   ├── LockFileConflictError        PYL-LOCK-CONFLICT
│   ├── LockFileTargetError          PYL-LOCK-TARGET
│   ├── LockFileStaleError           PYL-LOCK-STALE
│   ├── NotLockedError               PYL-LOCK-INCOMPLETE
│   ├── UnknownRuntimeError          PYL-RUNTIME-UNKNOWN
│   ├── UnknownArchitectureError     PYL-ARCHITECTURE-UNKNOWN
│   ├── InvalidInputError            PYL-INPUT-INVALID
│   └── CodeTooLargeError            PYL-CODE-TOO-LARGE
├── EngineError                      the container engine
│   ├── EngineNotRunningError        PYL-ENGINE-NOT-RUNNING
│   ├── EngineFailedError            PYL-ENGINE-FAILED
│   ├── ImageNotFoundError           PYL-IMAGE-NOT-FOUND
│   └── ImageMismatchError           PYL-IMAGE-MISMATCH
├── InstallError                     pip in the container
│   ├── HashMismatchError            PYL-PIP-HASH-MISMATCH
│   ├── VersionNotFoundError         PYL-PIP-NO-MATCH
│   ├── SdistBuildError              PYL-PIP-BUILD-FAILED
│   ├── PipFailedError               PYL-PIP-FAILED
│   └── BuildTimeoutError            PYL-BUILD-TIMEOUT
├── TreeError                        what the install left
│   ├── EmptyTreeError               PYL-TREE-EMPTY
│   ├── LayerTooLargeError           PYL-LAYER-TOO-LARGE
│   ├── WrongArchitectureError       PYL-TREE-ARCHITECTURE
│   ├── WrongPythonError             PYL-TREE-PYTHON
│   └── HostileTreeError             PYL-TREE-HOSTILE
├── PublishError                     AWS
│   ├── CredentialsError             PYL-AWS-CREDENTIALS
│   ├── RegionMissingError           PYL-AWS-REGION
│   ├── AccessDeniedError            PYL-AWS-ACCESS-DENIED
│   ├── ThrottledError               PYL-AWS-THROTTLED
│   ├── UnreachableError             PYL-AWS-UNREACHABLE
│   ├── RefusedError                 PYL-AWS-REFUSED
│   └── DirectUploadTooLargeError    PYL-UPLOAD-TOO-LARGE
├── ArchiveError                     PYL-ARCHIVE-INVALID
└── CancelledError                   PYL-CANCELLED
"""

from __future__ import annotations

from typing import ClassVar


class LayerError(Exception):
    """The base of all errors of this project.

    Args:
        what: What happened and where, in one sentence without a full stop; values in backticks.
        hint: The next step, best a line to paste.
        detail: Lines that show it, such as the last lines of pip.
        input_name: The input of `PythonLayer` that is at fault, where one is.
    """

    code: ClassVar[str] = "PYL-ERROR"
    """The stable name under which the documentation explains this error."""

    usual_hint: ClassVar[str] = ""
    """The next step where a message has none of its own."""

    def __init__(self, what: str, *, hint: str = "", detail: str = "", input_name: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint or self.usual_hint
        self.detail = detail
        self.input_name = input_name

    def __str__(self) -> str:
        """The whole message: what happened, what shows it, the next step, the name."""
        parts = [self.what]
        if self.detail:
            parts.append("\n".join(f"    {line}" for line in self.detail.splitlines()))
        parts.append(f"hint: {self.hint} [{self.code}]" if self.hint else f"[{self.code}]")
        return "\n".join(parts)


class InputError(LayerError):
    """The program or the command line asks for something that cannot be; found in preview."""


class LockFileNotFoundError(InputError):
    """There is no lock file at the given path."""

    code = "PYL-LOCK-NOT-FOUND"


class LockFileEmptyError(InputError):
    """The lock file pins nothing for the target."""

    code = "PYL-LOCK-EMPTY"


class LockFileSyntaxError(InputError):
    """A line of the lock file cannot be read."""

    code = "PYL-LOCK-SYNTAX"


class LockFileUnsupportedError(InputError):
    """The lock file asks for something that a layer cannot be built from."""

    code = "PYL-LOCK-UNSUPPORTED"


class LockFileConflictError(InputError):
    """Two lines of the lock file pin one distribution to different versions for the target."""

    code = "PYL-LOCK-CONFLICT"


class LockFileTargetError(InputError):
    """The lock file, or some pin of it, is not for the target."""

    code = "PYL-LOCK-TARGET"


class LockFileStaleError(InputError):
    """The project has changed since the lock file was made, or a path dependency since the preview."""

    code = "PYL-LOCK-STALE"


class NotLockedError(InputError):
    """`strict=True`, and some requirement is not pinned or has no hash."""

    code = "PYL-LOCK-INCOMPLETE"


class UnknownRuntimeError(InputError):
    """The runtime is none of Lambda's Python runtimes."""

    code = "PYL-RUNTIME-UNKNOWN"


class UnknownArchitectureError(InputError):
    """The architecture is none of Lambda's."""

    code = "PYL-ARCHITECTURE-UNKNOWN"


class InvalidInputError(InputError):
    """An input breaks a rule of Lambda or of this project."""

    code = "PYL-INPUT-INVALID"


class CodeTooLargeError(InputError):
    """The function's own code is over Lambda's limits."""

    code = "PYL-CODE-TOO-LARGE"


class EngineError(LayerError):
    """The container engine, or an image of it, is at fault."""


class EngineNotRunningError(EngineError):
    """No container engine answers."""

    code = "PYL-ENGINE-NOT-RUNNING"


class EngineFailedError(EngineError):
    """The container engine answered with an error."""

    code = "PYL-ENGINE-FAILED"


class ImageNotFoundError(EngineError):
    """The build image is neither here nor can it be pulled."""

    code = "PYL-IMAGE-NOT-FOUND"


class ImageMismatchError(EngineError):
    """The build image has another architecture or lacks the runtime's Python."""

    code = "PYL-IMAGE-MISMATCH"


class InstallError(LayerError):
    """pip could not install the plan; its own last lines are quoted."""


class HashMismatchError(InstallError):
    """A downloaded file is not the one that the lock file names."""

    code = "PYL-PIP-HASH-MISMATCH"


class VersionNotFoundError(InstallError):
    """The index has no such distribution, or none that fits the target."""

    code = "PYL-PIP-NO-MATCH"


class SdistBuildError(InstallError):
    """A source distribution does not build."""

    code = "PYL-PIP-BUILD-FAILED"


class PipFailedError(InstallError):
    """pip failed in a way that has no class of its own."""

    code = "PYL-PIP-FAILED"


class BuildTimeoutError(InstallError):
    """The build took longer than `Build.timeout`."""

    code = "PYL-BUILD-TIMEOUT"


class TreeError(LayerError):
    """What the install left cannot be a layer for the target."""


class EmptyTreeError(TreeError):
    """The install left no file."""

    code = "PYL-TREE-EMPTY"


class LayerTooLargeError(TreeError):
    """The unzipped layer is over Lambda's limit."""

    code = "PYL-LAYER-TOO-LARGE"


class WrongArchitectureError(TreeError):
    """A compiled file is for another architecture."""

    code = "PYL-TREE-ARCHITECTURE"


class WrongPythonError(TreeError):
    """An installed wheel is for another Python."""

    code = "PYL-TREE-PYTHON"


class HostileTreeError(TreeError):
    """The container handed out something that no install leaves: a link, a device, a path that leads outside."""

    code = "PYL-TREE-HOSTILE"
    usual_hint = "pin another release of it: no installer should unpack this one"


class PublishError(LayerError):
    """AWS did not do what was asked."""


class CredentialsError(PublishError):
    """There are no AWS credentials, or they are no longer valid."""

    code = "PYL-AWS-CREDENTIALS"


class RegionMissingError(PublishError):
    """No AWS region is set anywhere."""

    code = "PYL-AWS-REGION"


class AccessDeniedError(PublishError):
    """The credentials may not do what is needed."""

    code = "PYL-AWS-ACCESS-DENIED"


class ThrottledError(PublishError):
    """AWS throttled every attempt."""

    code = "PYL-AWS-THROTTLED"


class UnreachableError(PublishError):
    """AWS's endpoint does not answer."""

    code = "PYL-AWS-UNREACHABLE"


class RefusedError(PublishError):
    """AWS refused the request for a reason that has no class of its own."""

    code = "PYL-AWS-REFUSED"


class DirectUploadTooLargeError(PublishError):
    """The zip is over what Lambda takes in a direct upload."""

    code = "PYL-UPLOAD-TOO-LARGE"


class ArchiveError(LayerError):
    """A file given as a layer's zip is none."""

    code = "PYL-ARCHIVE-INVALID"


class CancelledError(LayerError):
    """The run was interrupted before anything was published."""

    code = "PYL-CANCELLED"
