"""Workers that are started again whenever they end."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processor import descendants
from flask_celeriac.embedded import GuardedProcess

from .ledger import WORKER

_ROOT = Path(__file__).parents[2]
#: Seconds after SIGTERM until a worker is told more plainly, and after that until it is killed.
_GRACE_S, _END_S = 8.0, 25.0


@dataclass(slots=True)
class Worker:
    """One place in the fleet, and the process that fills it now.

    Attributes:
        name: Of the place; with the number of starts it names one process for the ledger.
        is_ready: The process has said so.
        asked_at: When it was asked to end; 0.0 when it was not.
        is_pressed: It was asked a second time.
        is_held: A fault has it, and nothing else may touch it.
    """

    name: str
    pool: str
    slots: int
    environment: Mapping[str, str]
    folder: Path
    starts: int = 0
    is_ready: bool = False
    asked_at: float = 0.0
    is_pressed: bool = False
    is_held: bool = False
    process: GuardedProcess = field(init=False)

    @property
    def run(self) -> str:
        """Names the process."""
        return f"{self.name}.{self.starts}"

    @property
    def pids(self) -> list[int]:
        """The process and its children."""
        return [self.process.pid, *descendants(self.process.pid)]

    def start(self) -> None:
        """Start a process for this place."""
        self.starts, self.asked_at = self.starts + 1, 0.0
        self.is_ready = self.is_pressed = False
        words = f"-m celery -A benchmarks.soak.application:celery_app worker -P {self.pool}"
        options = ["-c", str(self.slots), "-n", f"{self.run}@soak", "-l", "info"]
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = GuardedProcess(
                [sys.executable, *words.split(), *options],
                cwd=_ROOT,
                env={**os.environ, **self.environment, WORKER: self.run},
                stdout=log,
                stderr=log,
            )

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the process and its children."""
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def press(self) -> None:
        """Ask a process again, and more plainly, that was asked to end and has not."""
        if not self.asked_at:
            return
        since_s = time.monotonic() - self.asked_at
        if since_s > _GRACE_S + _END_S:
            self.process.send_signal(signal.SIGKILL)
        elif since_s > _GRACE_S and not self.is_pressed:
            self.is_pressed = True  # a second SIGQUIT would end running tasks at once
            self.process.send_signal(signal.SIGQUIT)


class Fleet:
    """All workers; `tick` is called a few times a second.

    Attributes:
        ends: Of each process that has ended: its name, when, its exit code, and whether a fault
            or a request explains that.
    """

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = workers
        self.ends: list[tuple[str, float, int, bool]] = []
        self._is_over = False
        for worker in workers:
            worker.start()

    def ready(self, pool: str | None = None) -> list[Worker]:
        """Return the workers that a fault may be made with."""
        return [
            worker
            for worker in self.workers
            if worker.is_ready
            and not worker.is_held
            and not worker.asked_at
            and worker.process.poll() is None
            and pool in (None, worker.pool)
        ]

    def note_ready(self, run: str) -> None:
        """Take down that a process works."""
        for worker in self.workers:
            worker.is_ready = worker.is_ready or worker.run == run

    def tick(self) -> None:
        """Start what has ended, and press what was asked to end."""
        for worker in self.workers:
            code = worker.process.poll()
            if code is None:
                worker.press()
            elif not self._is_over:
                explained = bool(worker.asked_at) or worker.is_held
                self.ends.append((worker.run, time.monotonic(), code, explained))
                worker.is_held = False
                worker.start()

    def stop(self) -> None:
        """End all of them."""
        self._is_over = True
        for worker in self.workers:
            worker.process.end()
        for worker in self.workers:
            with contextlib.suppress(TimeoutError):
                worker.process.wait(20.0)
