"""The file that says which server owns a folder.

Two things in one file: an exclusive `flock` and a line of JSON. The descriptor with the lock is
handed to the server process and to nobody else, so the kernel holds it exactly as long as the
server lives, whoever is killed. What is written names the server to other processes; after a
crash it is stale, which readers notice since nothing answers with that password.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from .answer import ask_ping

FILE_NAME = "server.lock"


@dataclass(frozen=True, slots=True)
class RunningServer:
    """An embedded server as its lock file names it."""

    pid: int
    """The process that started the server and will end it."""
    url: str
    """With the password; empty when the server was stopped in order."""
    version: str
    """Product and version, "Valkey 9.1.2"."""

    def __repr__(self) -> str:
        return f"RunningServer(pid={self.pid}, version={self.version!r})"


class Lock:
    """An exclusive lock, held as long as the file is open here or in a child that was given it.

    Args:
        path: The lock file; made, for its owner only, when it is missing.

    Raises:
        BlockingIOError: A living process has the lock.
        OSError: The file can not be made or locked.
    """

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(self.fd, 0o600)
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(self.fd)
            raise

    def write(self, record: Mapping[str, object]) -> None:
        """Say in the file who has the lock; one line of JSON."""
        line = json.dumps(record).encode() + b"\n"
        os.pwrite(self.fd, line, 0)
        os.ftruncate(self.fd, len(line))

    def close(self) -> None:
        """Let go of this process's descriptor; a child that has the lock keeps it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_record(folder: Path) -> RunningServer | None:
    """Return what the lock file says, true or stale; None when nothing can be read."""
    try:
        words = json.loads((folder / FILE_NAME).read_bytes())
        return RunningServer(int(words["pid"]), str(words["url"]), str(words["version"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def name_server(lock: Lock, server: RunningServer) -> None:
    """Write *server* into the lock file of its folder."""
    lock.write(asdict(server))


def mark_stopped(folder: Path, record: RunningServer) -> None:
    """Take the address out of *record* in the lock file; nothing when another server has it."""
    with contextlib.suppress(OSError), Lock(folder / FILE_NAME) as lock:
        name_server(lock, replace(record, url=""))


def find_running(folder: Path) -> RunningServer | None:
    """Find the embedded server that runs on *folder*, started by whichever process.

    Args:
        folder: The folder it was started with: `<app.instance_path>/celeriac`.

    Returns:
        None when there is none, or when it does not answer within two seconds.
    """
    record = read_record(folder)
    if record is None or not record.url or ask_ping(record.url) is not True:
        return None
    return record
