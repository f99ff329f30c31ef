"""The faults: each kind is made about as often as every other."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from .fleet import Fleet, Worker
from .relay import Relay
from .server import Server

#: Beyond the lease: others look for ended leases every renewal.
_BEYOND_LEASE_S = 8.0
_LONGEST_OUTAGE_S = 3.0
_LONGEST_CUT_S = 2.0


@dataclass(slots=True)
class Fault:
    """One fault.

    Attributes:
        kind: Name of a method of `Faults`.
        target: The run of a worker, the process id of a pool child, or "".
        began_at, ended_at: Monotonic seconds. A worker's fault ends with its process, or when
            it goes on; then infinity stands for "not yet".
    """

    kind: str
    target: str
    began_at: float
    ended_at: float


class Faults:
    """Makes faults of a random order, one at a time; freezing goes on beside the others."""

    def __init__(
        self, fleet: Fleet, server: Server, relay: Relay, draw: random.Random, lease_s: float
    ) -> None:
        self.made: list[Fault] = []
        self._fleet, self._server, self._relay = fleet, server, relay
        self._draw = draw
        self._frozen_s = lease_s + _BEYOND_LEASE_S
        self._bag: list[str] = []
        self._kinds: dict[str, Callable[[], Fault | None]] = {
            "kill -9 worker": self._kill_worker,
            "kill -9 pool child": self._kill_child,
            "SIGTERM worker": lambda: self._ask(signal.SIGTERM),
            "SIGQUIT worker": lambda: self._ask(signal.SIGQUIT),
            "freeze worker": self._freeze,
            "CLIENT KILL": self._kill_clients,
            "kill -9 server": self._kill_server,
            "cut connections": self._cut,
        }

    @property
    def kinds(self) -> list[str]:
        """Names of all kinds."""
        return [*self._kinds]

    def make_one(self) -> Fault | None:
        """Make the next fault; None when nothing fits it now: then it comes later."""
        if not self._bag:
            self._bag = self._draw.sample(self.kinds, len(self._kinds))
        for kind in list(self._bag):
            fault = self._kinds[kind]()
            if fault is not None:
                fault.kind = kind
                self._bag.remove(kind)
                self.made.append(fault)
                return fault
        return None

    def note_ends(self) -> None:
        """Close the faults whose processes have ended."""
        ends = {run: at for run, at, _, _ in self._fleet.ends}
        for fault in self.made:
            if fault.target in ends:
                fault.ended_at = min(fault.ended_at, ends[fault.target])

    def _worker(self, pool: str | None = None) -> Worker | None:
        ready = self._fleet.ready(pool)
        # One stays, so that something goes on.
        return self._draw.choice(ready) if len(ready) > 1 or (pool and ready) else None

    def _kill_worker(self) -> Fault | None:
        worker = self._worker()
        if worker is None:
            return None
        worker.is_held = True
        os.kill(worker.process.pid, signal.SIGKILL)
        return _fault(worker.run)

    def _kill_child(self) -> Fault | None:
        worker = self._worker("prefork")
        children = worker.pids[1:] if worker else []
        if not children:
            return None
        child = self._draw.choice(children)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        return Fault("", str(child), time.monotonic() - 0.01, time.monotonic() + 0.01)

    def _ask(self, number: signal.Signals) -> Fault | None:
        worker = self._worker()
        if worker is None:
            return None
        worker.asked_at = time.monotonic()
        worker.is_pressed = number == signal.SIGQUIT
        worker.process.send_signal(number)
        return _fault(worker.run)

    def _freeze(self) -> Fault | None:
        if any(worker.is_held for worker in self._fleet.workers):
            return None
        worker = self._worker()
        if worker is None:
            return None
        worker.is_held = True
        fault = _fault(worker.run)
        worker.signal_all(signal.SIGSTOP)
        threading.Timer(self._frozen_s, self._thaw, (worker, fault)).start()
        return fault

    def _thaw(self, worker: Worker, fault: Fault) -> None:
        worker.signal_all(signal.SIGCONT)
        fault.ended_at = time.monotonic()
        worker.is_held = False

    def _kill_clients(self) -> Fault | None:
        client: Any = self._server.client
        with contextlib.suppress(redis.RedisError):
            own = client.client_id()
            ids = [int(one["id"]) for one in client.client_list() if int(one["id"]) != own]
            for id_ in self._draw.sample(ids, max(1, len(ids) // 2)):
                client.client_kill_filter(_id=id_)
        return _moment()

    def _kill_server(self) -> Fault | None:
        fault = _moment()
        self._server.kill()
        time.sleep(self._draw.uniform(0.0, _LONGEST_OUTAGE_S))
        self._server.start()
        fault.ended_at = time.monotonic()
        return fault

    def _cut(self) -> Fault | None:
        fault = _moment()
        for_s = self._draw.uniform(0.0, _LONGEST_CUT_S)
        self._relay.cut(for_s)
        fault.ended_at += for_s
        return fault


def _fault(target: str) -> Fault:
    return Fault("", target, time.monotonic(), float("inf"))


def _moment() -> Fault:
    return Fault("", "", time.monotonic(), time.monotonic())
