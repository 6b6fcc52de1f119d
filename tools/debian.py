"""Programs from Debian's packages, where this is Debian or a child of it and root's rights can be had."""

import os
import shutil

from tools.places import log_file
from tools.process import CommandFailedError, as_root, run
from tools.progress import PartUnavailableError, step

# dpkg must not be cut off in the middle: an interrupted run waits for apt-get to come to its own end.
_PATIENCE = 600
_SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


def find(program: str) -> str | None:
    """Return where a program is, also in the folders that only root has on PATH."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), _SYSTEM_PATH]))


def need(program: str, packages: tuple[str, ...], *, title: str, otherwise: str) -> str:
    """Return where a program is, installing the Debian packages that bring it; `otherwise` is what a person can do."""
    found = find(program)
    if found is None:
        _install(packages, title=title, otherwise=otherwise)
        found = find(program)
    if found is None:
        raise PartUnavailableError(f"{title} was installed but has no `{program}`. {otherwise}")
    return found


def _install(packages: tuple[str, ...], *, title: str, otherwise: str) -> None:
    if shutil.which("apt-get") is None:
        raise PartUnavailableError(f"{title} is missing and there is no apt-get to install it with. {otherwise}")
    command = as_root(
        ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"],
        refusal=f"{title} is missing and installing it takes root's rights. {otherwise}",
    )
    try:
        with step(f"Installing {title} from Debian's packages"):
            _apt_install(command, packages)
    except CommandFailedError as error:
        raise PartUnavailableError(f"{title} could not be installed: {error}\n{otherwise}") from error


def _apt_install(apt: list[str], packages: tuple[str, ...]) -> None:
    install = [*apt, "install", "-y", "--no-install-recommends", *packages]
    log = log_file("apt")
    try:
        run(install, log=log, patience=_PATIENCE)
    except CommandFailedError:
        # Package lists that are missing or old are the usual reason, and refreshing them when not needed is slow.
        run([*apt, "update"], log=log, patience=_PATIENCE)
        run(install, log=log, patience=_PATIENCE)
