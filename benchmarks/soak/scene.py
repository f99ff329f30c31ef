"""The whole of it: a server, a way to it, workers, producers, faults, and what was seen."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.about import say
from flask_celeriac.embedded import GuardedProcess

from .faults import Faults
from .fleet import Fleet, Worker
from .ledger import FOLDER, LEDGER_NAME, SETTINGS, Ledger, Reader
from .relay import Relay
from .server import Server
from .watcher import Watcher

_ROOT = Path(__file__).parents[2]
#: Pool, slots, and whether it reaches the server by the way that is cut.
_WORKERS = (
    ("prefork", 4, True),
    ("prefork", 4, False),
    ("threads", 8, True),
    ("threads", 8, False),
)
_LOOK_S = 0.2
_START_S = 60.0
#: With no task that starts or ends: the longest delay, the longest task, and time to spare.
_QUIET_S = 150.0
_LONGEST_END_S = 1200.0
_RESULTS_KEPT_S = 300
_SOFT_SHUTDOWN_S = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how often, how much.

    Attributes:
        seed: Of the faults and of what the producers send.
        minutes: Of faults.
        every_s: Between two faults.
        rate: Sends a second of each producer.
        lease_s: Lease of a claim; renewed six times as often.
    """

    seed: int
    minutes: float
    every_s: float
    rate: float
    lease_s: float


class Scene:
    """Plays *plan* in *folder*; everything that is started ends with `run`.

    Attributes:
        lines: All of the ledger.
        places: Where in Redis what has not ended is, at the end.
        claims: What is still claimed then.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.lines: list[dict[str, Any]] = []
        self.places: dict[str, str] = {}
        self.claims: dict[str, int] = {}
        self.took_s = 0.0
        self._heard_s = time.monotonic()
        self._folder = folder
        Ledger(folder / LEDGER_NAME)
        self._reader = Reader(folder / LEDGER_NAME)
        self.server = Server(folder / "redis")
        self._relay = Relay(self.server.port)
        self.watcher = Watcher(self.server.client)
        self.fleet = Fleet([self._worker(i, *one) for i, one in enumerate(_WORKERS)])
        draw = random.Random(plan.seed)
        self.faults = Faults(self.fleet, self.server, self._relay, draw, plan.lease_s)
        self._draw = draw

    def run(self) -> None:
        """Play it; returns when all has ended, or nothing more is to be expected."""
        began = time.monotonic()
        try:
            self._until(lambda: len(self.fleet.ready()) == len(_WORKERS), _START_S)
            producers = [self._producer(i) for i in range(2)]
            self._make_faults()
            for producer in producers:
                producer.terminate()
            self._until(lambda: all(p.poll() is not None for p in producers), 30.0)
            quiet_s = _QUIET_S + 2 * self.plan.lease_s
            self._until(lambda: not self.watcher.open or self._is_still(quiet_s), _LONGEST_END_S)
            # What has ended must be settled, too.
            self._until(lambda: not self.watcher.claims(), 2 * self.plan.lease_s + 10.0)
            self._look()
            self.places, self.claims = self.watcher.places(), self.watcher.claims()
        finally:
            self.fleet.stop()
            self.server.stop()
        self.took_s = time.monotonic() - began

    def _make_faults(self) -> None:
        began = time.monotonic()
        next_s = began + self.plan.every_s
        while time.monotonic() < began + 60 * self.plan.minutes:
            self._look()
            if time.monotonic() >= next_s:
                fault = self.faults.make_one()
                if fault is not None:
                    say(f"{time.monotonic() - began:7.1f} s  {fault.kind} {fault.target}")
                next_s += self.plan.every_s * self._draw.uniform(0.5, 1.5)
            time.sleep(_LOOK_S)

    def _is_still(self, seconds: float) -> bool:
        """Tell whether no task has started or ended for so long: what is open then is stuck."""
        return time.monotonic() - self._heard_s > seconds

    def _until(self, is_so: Any, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not is_so() and time.monotonic() < deadline:
            self._look()
            time.sleep(_LOOK_S)

    def _look(self) -> None:
        self.fleet.tick()
        self.faults.note_ends()
        for line in self._reader.new():
            self._heard_s = time.monotonic()
            self.lines.append(line)
            if line["what"] == "accepted":
                self.watcher.accept(line["id"])
            elif line["what"] == "ready":
                self.fleet.note_ready(line["worker"])
        self.watcher.look()
        self.watcher.sample({worker.name: worker.pids for worker in self.fleet.workers})

    def count(self, what: str) -> int:
        """Return how many lines of a kind the ledger has."""
        return Counter(line["what"] for line in self.lines)[what]

    def _worker(self, number: int, pool: str, slots: int, is_cut: bool) -> Worker:
        environment = self._environment(is_cut=is_cut)
        environment["CELERIAC_STATE_DIR"] = str(self._folder / f"state-{number}")
        return Worker(f"{pool}-{number}", pool, slots, environment, self._folder)

    def _producer(self, number: int) -> GuardedProcess:
        words = [str(self.plan.seed * 10 + number), str(self.plan.rate)]
        with (self._folder / f"producer-{number}.log").open("ab") as log:
            return GuardedProcess(
                [sys.executable, "-m", "benchmarks.soak.producer", *words],
                cwd=_ROOT,
                env={**os.environ, **self._environment(is_cut=number % 2 == 1)},
                stdout=log,
                stderr=log,
            )

    def _environment(self, *, is_cut: bool) -> dict[str, str]:
        port = self._relay.port if is_cut else self.server.port
        return {
            FOLDER: str(self._folder),
            SETTINGS: json.dumps(_settings(f"redis://127.0.0.1:{port}/0", self.plan.lease_s)),
        }

    def log_lines(self, words: Mapping[str, str]) -> dict[str, int]:
        """Count the lines of all logs that hold certain words."""
        counts = dict.fromkeys(words, 0)
        for path in self._folder.glob("*.log"):
            with contextlib.suppress(OSError):
                text = path.read_text(errors="replace")
                for name, word in words.items():
                    counts[name] += text.count(word)
        return counts


def _settings(url: str, lease_s: float) -> dict[str, Any]:
    return {
        "broker_url": url,
        "result_backend": url,
        "broker_transport_options": {"lease_s": lease_s, "renew_s": lease_s / 6},
        "result_expires": _RESULTS_KEPT_S,
        "worker_soft_shutdown_timeout": _SOFT_SHUTDOWN_S,
    }
