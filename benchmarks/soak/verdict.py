"""From the ledger and the faults to counts: what was repeated, and which of that was declared."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .faults import Fault

#: A task is settled this long after its function has returned, while the server answers; after an
#: outage the acknowledgement needs as long again.
_SETTLED_S = 1.0
_OUTAGES = ("kill -9 server", "cut connections", "CLIENT KILL")


@dataclass(slots=True)
class Run:
    """One run of a task: by which process, and from when to when on the monotonic clock."""

    id: str
    retries: int
    worker: str
    pid: str
    began_at: float
    ended_at: float = float("inf")


@dataclass(slots=True)
class Repeats:
    """Runs beyond the first of the same attempt of a task.

    Attributes:
        declared: By kind of the fault that explains them; "an earlier repeat" stands for a
            retry that was sent twice because the run before it was repeated.
        undeclared: All runs of the tasks in question, for people.
        again_after_s: Between a kill and the next run.
    """

    declared: Counter[str] = field(default_factory=Counter)
    undeclared: list[list[Run]] = field(default_factory=list)
    again_after_s: list[float] = field(default_factory=list)


def runs_of(lines: Iterable[dict[str, Any]]) -> list[Run]:
    """Return all runs that the ledger tells of, in the order of their beginnings."""
    runs: list[Run] = []
    going: dict[tuple[str, int, int], Run] = {}
    for line in lines:
        if line["what"] not in ("start", "end"):
            continue
        key = (line["id"], line["retries"], line["pid"])
        if line["what"] == "start":
            run = Run(*key[:2], line["worker"], str(line["pid"]), line["at"])
            going[key] = run
            runs.append(run)
        elif key in going:
            going.pop(key).ended_at = line["at"]
    return sorted(runs, key=lambda run: run.began_at)


def repeats(runs: Iterable[Run], faults: Iterable[Fault]) -> Repeats:
    """Judge every run beyond the first."""
    found = Repeats()
    of_task: dict[str, dict[int, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        of_task[run.id][run.retries].append(run)
    faults = list(faults)
    for attempts in of_task.values():
        is_explained = False
        for _, same in sorted(attempts.items()):
            is_explained = _judge(same, faults, found, is_explained=is_explained)
    return found


def _judge(same: list[Run], faults: list[Fault], found: Repeats, *, is_explained: bool) -> bool:
    """Judge the runs of one attempt; return whether more of the next one are to be expected."""
    # As many repeats are declared as runs were hit by a fault.
    hits = [hit for run in same for hit in [_hit(run, faults)] if hit]
    extra = len(same) - 1
    for run, hit in zip(same[1:], hits, strict=False):
        found.declared[hit.kind] += 1
        if hit.kind.startswith("kill -9"):
            found.again_after_s.append(run.began_at - hit.began_at)
    unexplained = max(extra - len(hits), 0)
    if unexplained and is_explained:
        found.declared["an earlier repeat"] += unexplained
    elif unexplained:
        found.undeclared.append(same)
    return is_explained or extra > 0


def _hit(run: Run, faults: list[Fault]) -> Fault | None:
    """Return the fault that explains another run: its process was ended, killed or frozen."""
    until = _settled_at(run, faults)
    for fault in faults:
        is_there = fault.target in (run.worker, run.pid)
        if is_there and fault.began_at <= until and run.began_at <= fault.ended_at:
            return fault
    return None


def _settled_at(run: Run, faults: list[Fault]) -> float:
    until = run.ended_at + _SETTLED_S
    for fault in faults:
        if fault.kind in _OUTAGES and fault.began_at <= until and run.ended_at <= fault.ended_at:
            until = max(until, fault.ended_at + 2 * _SETTLED_S)
    return until
