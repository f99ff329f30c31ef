"""What a task costs in Redis: commands, memory, and how that grows with the backlog."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rounds import Plan, one_side
from benchmarks.side import Side
from benchmarks.spread import Estimate
from benchmarks.summary import Target
from flask_celeriac.embedded import EmbeddedServer

from . import backlog, commands, memory, worker_memory

#: The issue that the transport was written for.
_MOST_IDLE_PER_S = 3.0
#: What a measure of noise may add to a cost that does not grow.
_MOST_GROWTH = 1.1


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    Attributes:
        tasks: For commands a task.
        idle_s: Seconds of an idle worker.
        stored: Messages or results for memory.
        waiting, delayed: The large backlog.
        turns: Pairs of looks at a small and the large backlog.
    """

    tasks: int
    idle_s: float
    stored: int
    waiting: int
    delayed: int
    turns: int


QUICK = Scale(tasks=20, idle_s=2.0, stored=100, waiting=5_000, delayed=500, turns=4)
DEFAULT = Scale(tasks=500, idle_s=20.0, stored=10_000, waiting=100_000, delayed=10_000, turns=60)
FULL = Scale(tasks=500, idle_s=20.0, stored=10_000, waiting=1_000_000, delayed=100_000, turns=60)


def measure(scale: Scale, plans: list[Plan], say: Callable[[str], None]) -> dict[str, Any]:
    """Measure commands with each of *plans*' pools, the rest with the first.

    Raises:
        SideError: A process failed.
    """
    found: dict[str, Any] = {"scale": {name: getattr(scale, name) for name in Scale.__slots__}}
    found["commands"], found["worker memory"] = {}, {}
    for plan in plans:
        sides = _of_each_side(scale, plan, say)
        for name in ("commands", "worker memory"):
            found[name][plan.pool] = {side: figures[name] for side, figures in sides.items()}
    say("memory")
    found["memory"] = {
        name: measured
        for name in ("plain", "celeriac")
        for measured in [_alone(name, plans[0], lambda side: memory.measure(side, scale.stored))]
    }
    say(f"backlog of {scale.waiting} waiting and {scale.delayed} delayed")
    with _server() as (url, folder):
        found["backlog"] = backlog.measure(
            plans[0], url, folder, scale.waiting, scale.delayed, scale.turns
        )
    return found


def targets(found: dict[str, Any]) -> list[Target]:
    """Return the targets that the figures of `measure` speak of."""
    judged = []
    for pool, sides in found["commands"].items():
        idle = sides["celeriac"]["idle"]["client"]
        name = f"commands of an idle worker ({pool}, celeriac)"
        judged.append(Target(name, _MOST_IDLE_PER_S, "/s", Estimate(idle, idle, idle)))
    for name in ("claim", "round trip"):
        ratio = Estimate(**found["backlog"]["figures"][name]["ratio"])
        judged.append(Target(f"{name} behind a large backlog", _MOST_GROWTH, "", ratio))
    return judged


def _of_each_side(scale: Scale, plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    def measure_both(side: Side) -> dict[str, Any]:
        counted = commands.measure(side, scale.tasks, scale.idle_s)
        return {"commands": counted, "worker memory": worker_memory.measure(side)}

    measured = {}
    for name in ("plain", "kombu", "celeriac"):
        say(f"commands and memory of a worker: {plan.pool}, {name}")
        measured[name] = _alone(name, plan, measure_both)
    return measured


def _alone(name: str, plan: Plan, measure_it: Callable[[Side], dict[str, Any]]) -> dict[str, Any]:
    with _server() as (url, folder), one_side(name, plan, url, folder) as side:
        return measure_it(side)


@contextmanager
def _server() -> Iterator[tuple[str, Path]]:
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as folder,
        EmbeddedServer(Path(folder) / "redis") as server,
    ):
        yield server.url, Path(folder)
