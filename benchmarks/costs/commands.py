"""How many commands a task costs, told apart by who makes them: a client, or a script.

`INFO commandstats` counts what clients send and what scripts call in one number for each command.
`MONITOR` shows each call once, with the client's address or, for a call of a script, with "lua". So
scripts' calls are counted there, and what remains of `commandstats` are the clients' commands.
Both must add up to the same, which is checked: a client that MONITOR missed would be noticed.
The benchmark's own client is left out by its address.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import redis

from benchmarks.side import Side

_ANSWER_S = 20.0


@dataclass(slots=True)
class Window:
    """What was called between two moments, by name of the command.

    Attributes:
        client: By the processes of the side.
        inner: By scripts.
        own: By the benchmark.
        stats: All of it, as `commandstats` has it.
    """

    client: Counter[str] = field(default_factory=Counter)
    inner: Counter[str] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)
    stats: int = 0

    def per(self, divisor: float) -> dict[str, Any]:
        """Return the figures for each task, or each second."""
        inner, own = self.inner.total(), self.own.total()
        return {
            "client": (self.stats - inner - own) / divisor,
            "inner": inner / divisor,
            "unseen": self.stats - inner - own - self.client.total(),
            "client_by_name": {k: v / divisor for k, v in self.client.most_common()},
            "inner_by_name": {k: v / divisor for k, v in self.inner.most_common()},
        }


def measure(side: Side, count: int, idle_s: float) -> dict[str, Any]:
    """Count for *count* tasks, sent one by one, run, and awaited one by one; and for idleness.

    Nothing else may use the server.
    """
    watch = _Watch(side.redis)
    side.ask("round_trip", count=20)  # connections and scripts are there
    time.sleep(1.0)
    side.hold()
    sent = watch.during(lambda: side.ask("enqueue", count=count))

    def drain() -> None:
        side.release()
        side.wait_until_drained()

    drained = watch.during(drain)
    side.ask("collect")
    awaited = watch.during(lambda: side.ask("round_trip", count=count))
    idle = watch.during(lambda: time.sleep(idle_s))
    return {
        "enqueue": sent.per(count),
        "drain": drained.per(count),
        "round trip": awaited.per(count),
        "idle": idle.per(idle_s),
    }


class _Watch:
    """Counts what goes on in the server of *client*, which the benchmark uses itself."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._own = client.client_info()["addr"]

    def during(self, act: Callable[[], object]) -> Window:
        """Return what was called while *act* ran."""
        window = Window()
        with self._monitored(window):
            before = self._stats()
            act()
            window.stats = self._stats() - before
        return window

    @contextmanager
    def _monitored(self, window: Window) -> Iterator[None]:
        begun = threading.Event()
        thread = threading.Thread(target=self._listen, args=(window, begun), daemon=True)
        thread.start()
        if not begun.wait(_ANSWER_S):
            raise TimeoutError("MONITOR does not answer")
        yield
        thread.join(_ANSWER_S)

    def _listen(self, window: Window, begun: threading.Event) -> None:
        """Count from the first of the benchmark's INFO, which the second one counts, to that."""
        settings = self._client.connection_pool.connection_kwargs
        client = redis.Redis(connection_pool=redis.ConnectionPool(**settings))
        with client.monitor() as monitor:
            begun.set()
            for call in monitor.listen():
                name = call["command"].split(" ", 1)[0].upper()
                is_own = f"{call['client_address']}:{call['client_port']}" == self._own
                is_edge = is_own and name == "INFO"
                if is_edge and window.own:
                    return
                if not (is_edge or window.own):
                    continue
                kind = window.own if is_own else window.client
                (window.inner if call["client_type"] == "lua" else kind)[name] += 1

    def _stats(self) -> int:
        found = self._client.info("commandstats")
        return sum(one["calls"] for name, one in found.items() if name != "cmdstat_monitor")
