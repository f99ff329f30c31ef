"""Whether a claim and a round trip cost more when much waits: a small backlog and a large one."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.copies import copies
from benchmarks.rounds import Plan, one_side
from benchmarks.side import Side
from benchmarks.spread import estimate, median
from flask_celeriac.transport.redis.keys import namespace
from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.store import MessageStore

SMALL = 1_000
#: No worker consumes from it, so that what waits there goes on waiting.
_QUEUE = "backlog"
_INCARNATION = "benchmark.0.0"
_AT_ONCE = 1_000
_FAR_MS = 36_000_000
_CLAIMED, _ROUND_TRIPS = 10, 10
#: Of a turn; the first of each is not counted, since the round trips before it cooled all caches.
_CLAIMS = 8
_TURNS_A_GROUP = 10


def measure(
    plan: Plan, url: str, folder: Path, waiting: int, delayed: int, turns: int
) -> dict[str, Any]:
    """Measure both in turns, the small backlog and the large one, on one server.

    What is delayed lies in the same set as the delays of the tasks of the round trips; what
    waits, in another queue of the same database.
    """
    server, _, _ = url.rpartition("/")
    with ExitStack() as stack:
        sides = [
            stack.enter_context(one_side("celeriac", plan, f"{server}/{database}", folder / name))
            for database, name in ((1, "small"), (2, "large"))
        ]
        sides[0].redis.config_set("appendonly", "no")
        took_s = [_fill(sides[0], SMALL, SMALL // 10), _fill(sides[1], waiting, delayed)]
        used = int(sides[1].redis.info("memory")["used_memory"])
        measured = [_turn(sides, is_swapped=turn % 2 == 1) for turn in range(turns)]
    return {
        "waiting": [SMALL, waiting],
        "delayed": [SMALL // 10, delayed],
        "filled_in_s": took_s,
        "used_mib": used / 1024**2,
        "figures": {
            "claim": _compared([claims for claims, _ in measured]),
            "round trip": _compared([trips for _, trips in measured]),
        },
    }


def _turn(sides: list[Side], *, is_swapped: bool) -> tuple[list[float], list[float]]:
    """Return milliseconds of a claim and of a round trip, each small and large."""
    order = [1, 0] if is_swapped else [0, 1]
    claims, trips = [0.0, 0.0], [0.0, 0.0]
    for number in range(1 + _CLAIMS):
        for i in order:
            took_ms = _claim_ms(sides[i])
            claims[i] += took_ms / _CLAIMS if number else 0.0
    for i in order:
        trips[i] = sides[i].ask("round_trip", count=_ROUND_TRIPS)["elapsed_s"] * 1e3 / _ROUND_TRIPS
    return claims, trips


def _claim_ms(side: Side) -> float:
    store = MessageStore(side.redis, Layout())
    began = time.perf_counter()
    found = store.claim(_INCARNATION, {_QUEUE: True}, _CLAIMED, lease_s=60.0)
    took_ms = (time.perf_counter() - began) * 1e3
    if len(found.deliveries) != _CLAIMED:
        raise AssertionError(f"{len(found.deliveries)} messages were claimed")
    numbers = [delivery.number for delivery in found.deliveries]
    store.give_back(_INCARNATION, numbers, is_next=True)
    return took_ms


def _compared(pairs: list[list[float]]) -> dict[str, Any]:
    pairs = pairs[1:]  # imports and connections: not counted
    ratios = iter([large / small for small, large in pairs])
    groups = list(iter(lambda: list(islice(ratios, _TURNS_A_GROUP)), []))
    return {
        "small_ms": median([[small for small, _ in pairs]]),
        "large_ms": median([[large for _, large in pairs]]),
        "ratio": asdict(estimate(groups)),
    }


def _fill(side: Side, waiting: int, delayed: int) -> float:
    """Put copies of a real message there; return the seconds that took."""
    side.hold()
    side.ask("send", count=1)
    message: Any = side.redis.lindex("celery", 0)
    side.release()
    side.wait_until_drained()
    began = time.perf_counter()
    bodies = copies(message)
    for _ in range(0, waiting, _AT_ONCE):
        side.redis.lpush(_QUEUE, *islice(bodies, _AT_ONCE))
    due_ms = int(time.time() * 1000) + _FAR_MS
    for first in range(0, delayed, _AT_ONCE):
        entries = islice(bodies, min(_AT_ONCE, delayed - first))
        head = f"{_QUEUE}\n0\n".encode()
        scores = {head + entry: due_ms + i for i, entry in enumerate(entries, first)}
        side.redis.zadd(f"{namespace()}delayed", scores)
    return time.perf_counter() - began
