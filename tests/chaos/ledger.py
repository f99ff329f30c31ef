"""What tasks themselves write: a line for each start and each end, in one file for a run."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

#: Between the end of a task and the answer to its acknowledgement, on a busy machine.
_ACK_S = 1.5
#: Between the note of a kill and the death of the last process.
_KILL_S = 0.5


def note(what: str, id_: str) -> None:
    """Append a line; one write, so that lines of many processes do not mix."""
    # This clock is the same in all processes of a machine.
    line = json.dumps([time.monotonic(), os.getpid(), what, id_]) + "\n"
    fd = os.open(os.environ["CHAOS_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line.encode())
    finally:
        os.close(fd)


@contextmanager
def written(id_: str) -> Iterator[None]:
    """Write the start of a run, and its end if it gets there."""
    note("start", id_)
    yield
    note("end", id_)


@dataclass
class Run:
    """One run of one task; `end_s` is None when it did not get there."""

    id: str
    pid: int
    start_s: float
    end_s: float | None = None


@dataclass(frozen=True)
class Kill:
    """When which processes were killed, or frozen until they were taken for dead."""

    at_s: float
    pids: frozenset[int]

    def explains(self, run: Run) -> bool:
        """Return whether *run* did not survive: before its end, or before its acknowledgement."""
        is_over = run.end_s is not None and run.end_s < self.at_s - _ACK_S
        return run.pid in self.pids and run.start_s < self.at_s + _KILL_S and not is_over


@dataclass(frozen=True)
class Ledger:
    """Reads what was written."""

    path: Path

    def runs(self) -> list[Run]:
        """Return all runs in the order in which they started."""
        runs: list[Run] = []
        running: dict[tuple[str, int], Run] = {}
        text = self.path.read_text() if self.path.exists() else ""
        for at_s, pid, what, id_ in map(json.loads, text.splitlines()):
            if what == "start":
                running[id_, pid] = Run(id_, pid, at_s)
                runs.append(running[id_, pid])
            else:
                running[id_, pid].end_s = at_s
        return runs

    def of(self, id_: str) -> list[Run]:
        """Return the runs of one task."""
        return [run for run in self.runs() if run.id == id_]

    def by_task(self) -> dict[str, list[Run]]:
        """Return the runs of each task."""
        found: defaultdict[str, list[Run]] = defaultdict(list)
        for run in self.runs():
            found[run.id].append(run)
        return dict(found)

    def started(self) -> set[str]:
        """Return the ids of tasks that started."""
        return {run.id for run in self.runs()}

    def ended(self) -> set[str]:
        """Return the ids of tasks that got to their end."""
        return {run.id for run in self.runs() if run.end_s is not None}


def was_hit(run: Run, kills: list[Kill]) -> Kill | None:
    """Return the kill that explains why the task of *run* ran again."""
    return next((kill for kill in kills if kill.explains(run)), None)


def undeclared(runs: list[Run], kills: list[Kill]) -> int:
    """Count the repeated starts in *runs*, of one task, that no kill explains."""
    return sum(was_hit(run, kills) is None for run in runs[:-1])


def waits_s(runs: list[Run], kills: list[Kill], lost_s: Collection[float] = ()) -> list[float]:
    """Return how long a task whose *runs* these are waited after each kill until it ran again.

    Args:
        lost_s: When workers were killed that had received it, and perhaps not started: it waits
            anew from then on.
    """
    pairs = [(was_hit(run, kills), after) for run, after in pairwise(runs)]
    return [
        after.start_s - max(kill.at_s, *(at_s for at_s in lost_s if at_s < after.start_s), 0.0)
        for kill, after in pairs
        if kill
    ]
