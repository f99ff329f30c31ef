"""Run one command so that it, and all it starts, can not outlive the process that asked for it.

Called as a script by `guarded.py`, never imported, with the standard library alone:

    python -I -S guard.py LIFE_FD REPORT_FD OWNER_PID GRACE_MS PROGRAM [ARGUMENT ...]

LIFE_FD is the read end of a pipe that only the owner can write. A byte is the number of a signal
for the command; end-of-file means that the owner is gone or wants no more, and ends everything.
REPORT_FD gets the command's process id, then an errno after "!" when it could not be started.

The owner's process id is watched too, since a child that the owner forks holds the pipe open.
Linux's PR_SET_PDEATHSIG alone would not do: it follows the thread that forked, not the process.
Here it covers the guard itself, which has one thread. As sub-reaper the guard also finds
what left the command's process group; without it (macOS) the group is what is ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_OWNER_LOOK_S = 0.25
_END_S = 10.0


def main(arguments: list[str]) -> None:
    """Start the command, serve the owner until one of the two ends, and leave nothing behind."""
    life_fd, report_fd, owner_pid, grace_ms = (int(word) for word in arguments[:4])
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wakeup_fd = _watch_signals()
    for private_fd in (life_fd, report_fd):
        os.set_inheritable(private_fd, False)
    command_pid = _start(arguments[4:], report_fd)
    signal.signal(signal.SIGTERM, lambda *_: _send(command_pid, signal.SIGTERM))
    status = _serve(command_pid, life_fd, wakeup_fd, owner_pid)
    if status is None:
        status = _end_command(command_pid, grace_ms / 1000)
    _end_rest(command_pid, is_reaped=status is not None)
    _exit_like(status)


def _watch_signals() -> int:
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    os.set_blocking(read_fd, False)
    signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # The terminal's signals reach the owner, which decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return read_fd


def _start(command: list[str], report_fd: int) -> int:
    guard_pid = os.getpid()
    command_pid = os.fork()
    if command_pid == 0:
        try:
            _become(command, guard_pid)
        except OSError as error:
            os.write(report_fd, f"!{error.errno}\n".encode())
        os._exit(127)
    with contextlib.suppress(OSError):  # the owner may be gone already
        os.write(report_fd, f"{command_pid}\n".encode())
    os.close(report_fd)
    return command_pid


def _become(command: list[str], guard_pid: int) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == guard_pid:
        os.execvp(command[0], command)  # noqa: S606


def _serve(command_pid: int, life_fd: int, wakeup_fd: int, owner_pid: int) -> int | None:
    """Return the command's exit status, or None when the owner is gone and the command runs."""
    while True:
        ready, _, _ = select.select([life_fd, wakeup_fd], [], [], _OWNER_LOOK_S)
        if wakeup_fd in ready:
            os.read(wakeup_fd, 4096)
        status = _reap(command_pid)
        if status is not None:
            return status
        if life_fd in ready:
            numbers = os.read(life_fd, 4096)
            if not numbers:
                return None
            for number in numbers:
                _send(command_pid, number)
        if os.getppid() != owner_pid:
            return None


def _reap(command_pid: int) -> int | None:
    """Reap every dead child, adopted ones too; return the command's status if it is there."""
    found: int | None = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == command_pid:
                found = ended[1]
    return found


def _has_children() -> bool:
    """Reap every dead child; say whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _end_command(command_pid: int, grace_s: float) -> int | None:
    if grace_s <= 0:
        return None
    _send(command_pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        status = _reap(command_pid)
        if status is not None:
            return status
        time.sleep(0.005)
    return None


def _end_rest(command_pid: int, *, is_reaped: bool) -> None:
    deadline = time.monotonic() + _END_S
    while time.monotonic() < deadline:
        # Once the command is reaped, its number may be that of somebody else's group. A sub-reaper
        # finds the rest of the group without it.
        if not is_reaped or sys.platform != "linux":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(command_pid, signal.SIGKILL)
        is_reaped = True
        for pid in _descendants():
            _send(pid, signal.SIGKILL)
        # Not the list tells the end: while parents die, it may miss a child that is read before
        # them. A sub-reaper is adopted by every orphan, so without children it has nobody below it.
        if not _has_children():
            return
        time.sleep(0.005)


def _descendants() -> set[int]:
    parents = _parents()
    found: set[int] = set()
    frontier = {os.getpid()}
    while frontier:
        frontier = {pid for pid, parent in parents.items() if parent in frontier} - found
        found |= frontier
    return found


def _parents() -> dict[int, int]:
    """Return the parent of every living process that this system shows."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] != b"Z":
            parents[int(stat.parent.name)] = int(fields[1])
    return parents


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _exit_like(status: int | None) -> None:
    """End as the command did, so that the owner reads its exit code or signal from the guard."""
    code = -signal.SIGKILL if status is None else os.waitstatus_to_exitcode(status)
    if code < 0:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(max(code, 0))


if __name__ == "__main__":
    main(sys.argv[1:])
