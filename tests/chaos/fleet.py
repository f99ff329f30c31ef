"""Workers as processes of their own, and the signals that they are sent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from ledger import Kill

HERE = Path(__file__).parent
OURS = ("flask", "--app", "application", "celery", "worker", "--without-mingle", "-l", "info")
STOCK = ("celery", "-A", "stock:app", "worker", "--without-mingle", "-l", "info")


def wait_until(
    is_true: Callable[[], object], seconds: float = 30, explain: Callable[[], str] = str
) -> None:
    deadline_s = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline_s, f"not true after {seconds} s: {explain()}"
        time.sleep(0.05)


@dataclass
class Worker:
    """One worker; its processes are a session of their own."""

    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def children(self) -> list[int]:
        try:
            return [child.pid for child in psutil.Process(self.pid).children()]
        except psutil.NoSuchProcess:
            return []

    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, words: str, seconds: float = 40) -> None:
        wait_until(lambda: words in self.log, seconds, lambda: f"{words!r} in {self.log[-3000:]}")

    def signal(self, number: int) -> None:
        """Send a signal to the parent process alone."""
        self.process.send_signal(number)

    def thaw(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def exit_code(self, seconds: float = 40) -> int:
        return self.process.wait(timeout=seconds)

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


@dataclass
class Fleet:
    """All workers of one test, and what was killed of them."""

    folder: Path
    environment: Mapping[str, str]
    workers: list[Worker] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)

    def start(
        self,
        *options: str,
        pool: str = "prefork",
        slots: int = 2,
        program: tuple[str, ...] = OURS,
        **environment: str,
    ) -> Worker:
        """Start a worker, without waiting until it is ready."""
        log_path = self.folder / f"worker-{len(self.workers)}.log"
        name = f"w{len(self.workers)}@chaos"
        pooled = ("-P", pool, "-c", str(slots), "-n", name)
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *program, *pooled, *options],
                env={**self.environment, **environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.workers.append(Worker(process, log_path))
        return self.workers[-1]

    def ready(self, *options: str, **how: object) -> Worker:
        """Start a worker that is ready."""
        worker = self.start(*options, **how)  # type: ignore[arg-type]
        worker.wait_for(" ready.")
        return worker

    def kill(self, worker: Worker) -> None:
        """SIGKILL to the parent; the system then kills its children."""
        pids = frozenset((worker.pid, *worker.children()))
        self.kills.append(Kill(time.monotonic(), pids))
        worker.process.kill()
        worker.process.wait()

    def freeze(self, worker: Worker) -> frozenset[int]:
        """SIGSTOP to all its processes, until `thaw`; returns them."""
        pids = frozenset((worker.pid, *worker.children()))
        self.kills.append(Kill(time.monotonic(), pids))
        os.killpg(worker.pid, signal.SIGSTOP)
        return pids

    def kill_child(self, worker: Worker, pid: int) -> None:
        """SIGKILL to one process of a pool."""
        self.kills.append(Kill(time.monotonic(), frozenset((pid,))))
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def lost_s(self, words: str) -> list[float]:
        """Return when workers were killed, or frozen, that had written *words*."""
        pids = {worker.pid for worker in self.workers if words in worker.log}
        return [kill.at_s for kill in self.kills if kill.pids & pids]

    def worker_of(self, pid: int) -> Worker:
        """Return the worker that process *pid* belongs to."""
        return next(w for w in self.workers if pid == w.pid or pid in w.children())

    def running(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.is_running()]

    def end(self) -> None:
        for worker in self.workers:
            worker.end()
