"""Processor time that a process and its children used: exact, read from outside, Linux only."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path


class ProcessorClock:
    """The sum of user and system time of *pid* and of the descendants that it has now.

    Threads count, also those that have ended. The system's clock of a process is used, since
    the figures of ``/proc`` come in steps of 10 ms.

    Raises:
        OSError: There is no such process, or this is not Linux.
    """

    def __init__(self, pid: int) -> None:
        if sys.platform != "linux":
            raise OSError("the benchmark reads processor times as Linux gives them")
        self._clocks = [_clock_of(each) for each in (pid, *descendants(pid))]
        self.read_s()

    def read_s(self) -> float:
        """Return the seconds used so far.

        Raises:
            OSError: One of the processes has ended.
        """
        return sum(map(time.clock_gettime_ns, self._clocks)) / 1e9


def descendants(pid: int) -> list[int]:
    """Return the processes that *pid* started, and those that they started."""
    return [*_descendants_among(pid, _parents())]


def _clock_of(pid: int) -> int:
    # The id that clock_getcpuclockid(3) gives; CPUCLOCK_SCHED is 2.
    return (~pid << 3) | 2


def _parents() -> dict[int, int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may itself hold spaces and parentheses.
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return parents


def _descendants_among(pid: int, parents: dict[int, int]) -> Iterable[int]:
    for child, parent in parents.items():
        if parent == pid:
            yield child
            yield from _descendants_among(child, parents)
