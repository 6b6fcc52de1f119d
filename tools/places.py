"""Where the tools keep what they build: one folder per user, shared by all checkouts."""

from pathlib import Path

from platformdirs import user_cache_dir


def tool_folder(*parts: str) -> Path:
    """Return a folder of the user's cache, made when missing."""
    folder = Path(user_cache_dir("pulumi-python-layer"), "tools", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def log_file(name: str) -> Path:
    """Return where the output of the command called `name` is kept."""
    return tool_folder("logs") / f"{name}.log"
