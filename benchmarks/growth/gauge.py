"""What an act costs the server, and who waits for it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.processor import ProcessorClock

#: Calls of scripts are commands as well as what they call.
_SCRIPTS = ("cmdstat_evalsha", "cmdstat_eval")
_OWN = "cmdstat_info"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a task costs in one step.

    Attributes:
        server_us: Processor time of the server, user and system, all its threads.
        wall_us: Median time of a call, shared among its tasks.
        commands: Scripts, what they call, and what clients send besides.
        scripts: How many of those are calls of scripts.
    """

    server_us: float
    wall_us: float
    commands: float
    scripts: float

    def __add__(self, other: Reading) -> Reading:
        ours, theirs = asdict(self), asdict(other)
        return Reading(**{name: ours[name] + theirs[name] for name in ours})


class Gauge:
    """Reads one server, which nobody else uses meanwhile.

    Args:
        client: Of the server.
        pid: Of the server's process.
    """

    def __init__(self, client: Any, pid: int) -> None:
        self._client = client
        self._clock = ProcessorClock(pid)

    def read(self, act: Callable[[], object], calls: int, batch: int = 1) -> Reading:
        """Call *act* *calls* times, for *batch* tasks each."""
        tasks = calls * batch
        commands, scripts = self._counts()
        server_s, took_s = self._clock.read_s(), []
        for _ in range(calls):
            began = time.perf_counter()
            act()
            took_s.append(time.perf_counter() - began)
        server_s = self._clock.read_s() - server_s
        more_commands, more_scripts = self._counts()
        return Reading(
            server_us=server_s * 1e6 / tasks,
            wall_us=statistics.median(took_s) * 1e6 / batch,
            commands=(more_commands - commands) / tasks,
            scripts=(more_scripts - scripts) / tasks,
        )

    def _counts(self) -> tuple[int, int]:
        calls = {
            name: int(found["calls"])
            for name, found in self._client.info("commandstats").items()
            if name != _OWN
        }
        return sum(calls.values()), sum(calls.get(name, 0) for name in _SCRIPTS)
