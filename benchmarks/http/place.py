"""A private Redis, and the worker and the web process of one side on it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks.peers.processes import Running, SystemFailure, started
from flask_celeriac.embedded import EmbeddedServer

from .environment import FOLDER_NAME, URL_NAME

#: Both sides; the baseline first.
PLAIN, OURS = "celery", "celeriac"
SIDES = (PLAIN, OURS)
_APPLICATIONS = {PLAIN: "benchmarks.http.plain:app", OURS: "benchmarks.http.ours:app"}
_WORKERS = {
    PLAIN: "-m celery -A benchmarks.http.plain:celery_app worker",
    OURS: "-m flask --app benchmarks.http.ours:app celery worker",
}
_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Place:
    """Where one side runs: alone.

    Attributes:
        side: "celery" or "celeriac".
        python: The interpreter of all processes.
        url: Of Redis: append-only, synced each second, without snapshots.
        redis_pid: Its process.
        folder: For logs, and for files that tell tasks to begin.
    """

    side: str
    url: str
    redis_pid: int
    folder: Path
    python: Path = Path(sys.executable)

    @property
    def application(self) -> str:
        """For gunicorn."""
        return _APPLICATIONS[self.side]

    @property
    def environment(self) -> Mapping[str, str]:
        """Of all processes."""
        return {
            URL_NAME: self.url,
            FOLDER_NAME: str(self.folder),
            "CELERIAC_STATE_DIR": str(self.folder / "state"),
            "PYTHONWARNINGS": "ignore",
        }

    def worker(self, slots: int) -> AbstractContextManager[Running]:
        """Start a worker with so many threads, otherwise as it comes."""
        words = _WORKERS[self.side].split()
        options = ["--loglevel", "WARNING", "--pool", "threads", "--concurrency", str(slots)]
        log = self.folder / "worker.log"
        return started([self.python, *words, *options], log, self.environment)


@contextmanager
def place(side: str, folder: Path) -> Iterator[Place]:
    """Start a server for *side*, and stop it at the end of the `with` block.

    Args:
        folder: Is made.
    """
    folder.mkdir(parents=True)
    with EmbeddedServer(folder / "redis") as server:
        assert server.pid is not None
        with redis.Redis.from_url(server.url) as client:
            # Rewriting the file would fall into one measure and not into another.
            client.config_set("auto-aof-rewrite-percentage", 0)
        yield Place(side, server.url, server.pid, folder)


def wait_until(is_so: Callable[[], bool], what: str, within_s: float = _WITHIN_S) -> None:
    """Wait for a condition.

    Raises:
        SystemFailure: It does not hold within *within_s* seconds.
    """
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemFailure(f"not within {within_s:.0f} s: {what}")
        time.sleep(_LOOK_EVERY_S)
