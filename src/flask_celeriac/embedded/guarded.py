"""Start processes that end with this one, even when this one is killed with SIGKILL."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

_GUARD = Path(__file__).with_name("guard.py")


class GuardedProcess:
    """A running command under a guard: see `guard.py` for what the guard promises.

    The command has a session of its own: signals of the terminal do not reach it. An object
    that a forked child inherited does nothing there: only its maker owns the command.

    Args:
        command: Program (looked up on PATH) and arguments.
        grace_s: 0 to 60. Seconds between SIGTERM and SIGKILL when the owner is gone; 0 kills
            at once.
        keep_fds: Descriptors that the command inherits besides the standard three.
        cwd, env, stdin, stdout, stderr: As for `subprocess.Popen`.

    Raises:
        OSError: The command can not be started (`errno` says why). Nothing runs.
    """

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        grace_s: float = 0.0,
        keep_fds: Sequence[int] = (),
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
    ) -> None:
        self._owner_pid = os.getpid()
        life_read, self._life_fd = os.pipe()
        report_read, report_write = os.pipe()
        numbers = (life_read, report_write, self._owner_pid, int(grace_s * 1000))
        try:
            self._guard = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", os.fspath(_GUARD)),
                    *(str(number) for number in numbers),
                    *(os.fspath(word) for word in command),
                ],
                pass_fds=(life_read, report_write, *keep_fds),
                start_new_session=True,
                cwd=cwd,
                env=env,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
            )
        except BaseException:
            # The number may be another's by the time this object is collected.
            self._let_go()
            os.close(report_read)
            raise
        finally:
            os.close(life_read)
            os.close(report_write)
        _living.add(self)
        self.pid = self._read_report(report_read, os.fspath(command[0]))

    @property
    def stdin(self) -> IO[bytes] | None:
        """The write end of the command's input, if a pipe was asked for."""
        return self._guard.stdin

    @property
    def stdout(self) -> IO[bytes] | None:
        """The read end of the command's output, if a pipe was asked for."""
        return self._guard.stdout

    @property
    def is_owned(self) -> bool:
        """Whether this process started the command, rather than inherited the object by fork."""
        return os.getpid() == self._owner_pid

    @property
    def returncode(self) -> int | None:
        """Exit code, or minus the signal's number; None as long as anything of it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Look, without waiting, whether the command and all it started have ended.

        Returns:
            As `returncode`.
        """
        if not self.is_owned:
            return None
        return self._guard.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for the end of the command and of all it started.

        Raises:
            TimeoutError: It runs after *timeout_s* seconds; nothing has changed.
        """
        try:
            return self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"Process {self.pid} still runs after {timeout_s} s.") from error

    def send_signal(self, number: int) -> None:
        """Send signal *number* to the command, not to what it started; nothing if it has ended."""
        if self.is_owned and self._life_fd >= 0:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._life_fd, bytes([number]))

    def terminate(self) -> None:
        """Ask the command to end, with SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """End the command and all it started: SIGTERM, the grace, SIGKILL; safe to repeat."""
        if self.is_owned:
            self._let_go()

    def _let_go(self) -> None:
        if self._life_fd >= 0:
            os.close(self._life_fd)
            self._life_fd = -1

    def _read_report(self, report_fd: int, program: str) -> int:
        with open(report_fd) as report:
            lines = report.read().split()
        failures = [line for line in lines if line.startswith("!")]
        if not failures and lines:
            return int(lines[0])
        self.end()
        self.wait()
        for pipe in (self._guard.stdin, self._guard.stdout, self._guard.stderr):
            if pipe is not None:
                pipe.close()
        number = int(failures[0][1:]) if failures else 0
        raise OSError(number, os.strerror(number) if number else "The guard ended early", program)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            self.end()


_living: weakref.WeakSet[GuardedProcess] = weakref.WeakSet()


def _let_go_after_fork() -> None:
    # Else the pipe would end with the forked child and not with the owner.
    for process in list(_living):
        process._let_go()


os.register_at_fork(after_in_child=_let_go_after_fork)
