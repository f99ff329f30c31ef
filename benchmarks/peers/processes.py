"""Processes of the benchmark: started in groups of their own, held, let go on, and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from benchmarks.processor import descendants

from .environments import ROOT

_STOP_WITHIN_S = 5.0
_LAST_WORDS = 1500


class SystemFailure(RuntimeError):
    """A system did not do what it was asked; the message holds what it said last."""


class Running:
    """One process that was started, with its children.

    Attributes:
        process: The process itself.
        log: What it says.
    """

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log

    def family(self) -> list[int]:
        """Return the process and those that it started, directly or not."""
        return [self.process.pid, *descendants(self.process.pid)]

    def hold(self) -> None:
        """Stop all of the family where they are.

        A parent is stopped before its children, so that it does not see them stopped, and none is
        started meanwhile.
        """
        held: list[int] = []
        while new := [pid for pid in self.family() if pid not in held]:
            held += new
            _send(signal.SIGSTOP, new)

    def release(self) -> None:
        """Let all of the family go on; nothing if they were not held."""
        _send(signal.SIGCONT, reversed(self.family()))

    def require_alive(self) -> None:
        """Raise `SystemFailure` when the process has ended."""
        if self.process.poll() is not None:
            raise SystemFailure(f"ended with {self.process.returncode}: {self.last_words()}")

    def last_words(self) -> str:
        """Return the end of the log."""
        return self.log.read_text(errors="replace")[-_LAST_WORDS:].strip()

    def end(self) -> None:
        """End the group, by force after five seconds."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.release()
        for sent in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_WITHIN_S)


@contextmanager
def started(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str],
    pipes: Mapping[str, Any] | None = None,
) -> Iterator[Running]:
    """Start *command* in the folder of the repository; end it with the `with` block.

    Args:
        log: For what it writes to the outputs that *pipes*, of `subprocess.Popen`, leave.
    """
    file: IO[str]
    with log.open("w") as file:
        process = subprocess.Popen(
            [*map(str, command)],
            cwd=ROOT,
            env={**os.environ, **environment},
            text=True,
            start_new_session=True,
            **{"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file, **(pipes or {})},
        )
    running = Running(process, log)
    try:
        yield running
    finally:
        running.end()


def _send(number: signal.Signals, pids: Sequence[int] | Iterator[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
