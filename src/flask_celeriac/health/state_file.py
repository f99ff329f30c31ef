"""State files: one small JSON file for each running worker, beat and supervisor of workers.

The folder is the one named by the configuration or by ``CELERIAC_STATE_DIR``, else
``celeriac-<uid>`` in the temporary directory: a probe finds it without the application.
Times in a file are seconds of the monotonic clock, which all processes of one machine share
and which nobody sets back.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

Role = Literal["worker", "beat", "supervisor"]

#: Read by the probe in this order; the second is what Flask's ``from_prefixed_env`` reads.
ENVIRONMENT = ("CELERIAC_STATE_DIR", "FLASK_CELERIAC_STATE_DIR")

_NAME = re.compile(r"(worker|beat|supervisor)-(\d+)\.json")
_LONGEST_BYTES = 64 * 1024
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_NON_BLOCKING = getattr(os, "O_NONBLOCK", 0)


class UnsafeFolder(OSError):
    """The folder for state files belongs to another user: set CELERIAC_STATE_DIR."""


def named_folder(
    configured: str | None = None, environ: Mapping[str, str] = os.environ
) -> str | None:
    """Return the folder that the configuration or the environment names, else None."""
    return configured or next((environ[name] for name in ENVIRONMENT if environ.get(name)), None)


def default_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder used when none is named: private to this user, gone at reboot."""
    return Path(environ.get("TMPDIR") or "/tmp") / f"celeriac-{os.geteuid()}"  # noqa: S108


class StateFolder:
    """The folder of state files, opened so that no link can lead elsewhere.

    The default folder lies in a directory that everybody may write to, so it must be a real
    directory of this user, and is closed to others. A folder that somebody named (a volume of a
    container, often owned by root) is taken as it is. In both, files are opened without
    following links and must belong to this user, or to root.

    Raises:
        UnsafeFolder: The default folder is a link, or belongs to another user.
        OSError: The folder can not be made or opened.
    """

    def __init__(self, named: str | None = None, *, create: bool = False) -> None:
        self.path = Path(named) if named else default_folder()
        if create:
            self.path.mkdir(mode=0o700, parents=bool(named), exist_ok=True)
        flags = os.O_RDONLY | _DIRECTORY | (0 if named else _NO_FOLLOW)
        self._fd = os.open(self.path, flags)
        if not named:
            self._make_private()

    def _make_private(self) -> None:
        if os.fstat(self._fd).st_uid == os.geteuid():
            os.fchmod(self._fd, 0o700)
            return
        self.close()
        raise UnsafeFolder(f"{self.path}: {UnsafeFolder.__doc__}")

    def __enter__(self) -> StateFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder; safe to repeat."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def write(self, name: str, facts: Mapping[str, Any]) -> None:
        """Replace file *name* in one step: a reader sees the old or the new, never a half.

        Raises:
            OSError: The old file, if any, is unchanged.
        """
        part = f".{name}.part"
        with suppress(FileNotFoundError):
            os.unlink(part, dir_fd=self._fd)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW
        with os.fdopen(os.open(part, flags, 0o600, dir_fd=self._fd), "wb") as file:
            file.write(json.dumps(facts).encode())
        os.replace(part, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def remove(self, name: str) -> None:
        """Remove file *name*; safe to repeat."""
        with suppress(OSError):
            os.unlink(name, dir_fd=self._fd)

    def names(self, role: Role) -> list[str]:
        """Return the names of the state files of *role*, sorted."""
        found = (_NAME.fullmatch(name) for name in os.listdir(self._fd))  # noqa: PTH208
        return sorted(match[0] for match in found if match and match[1] == role)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what file *name* holds; None if it is gone, foreign or not a state file."""
        try:
            fd = os.open(name, os.O_RDONLY | _NO_FOLLOW | _NON_BLOCKING, dir_fd=self._fd)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or not _is_trusted(found.st_uid):
                return None
            try:
                facts = json.loads(file.read(_LONGEST_BYTES))
            except ValueError:
                return None
        return facts if isinstance(facts, dict) else None


def _is_trusted(owner: int) -> bool:
    """Root may probe a worker that runs as another user."""
    return owner in (os.geteuid(), 0) or os.geteuid() == 0


class StateFile:
    """This process's own file in the state folder."""

    def __init__(self, role: Role, named_folder: str | None = None) -> None:
        """Open the folder, make it if need be, and clear away files of dead processes.

        Raises:
            UnsafeFolder: See `StateFolder`.
            OSError: The folder can not be made or opened.
        """
        self.role: Role = role
        self._pid = os.getpid()
        self._name = f"{role}-{self._pid}.json"
        self._folder = StateFolder(named_folder, create=True)
        self.path = self._folder.path / self._name
        for name in self._folder.names(role):
            if not is_alive(pid_of(name)):
                self._folder.remove(name)

    def write(self, facts: Mapping[str, Any]) -> None:
        """Replace the file's content.

        Raises:
            OSError: The old content is unchanged.
        """
        self._folder.write(self._name, {**facts, "role": self.role, "pid": self._pid})

    def remove(self) -> None:
        """Remove the file, unless this is a forked child: the file is its parent's."""
        if os.getpid() == self._pid:
            self._folder.remove(self._name)


def pid_of(name: str) -> int:
    """Return the process id in the name of a state file."""
    match = _NAME.fullmatch(name)
    return int(match[2]) if match else 0


def is_alive(pid: int) -> bool:
    """Return whether process *pid* exists here, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
