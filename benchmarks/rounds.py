"""Short rounds, in turns: one side after the other, then in another order."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from flask_celeriac.embedded import EmbeddedServer

from .side import Side, SideError
from .spread import percentile

#: The baseline first.
BASELINE = "plain"
SIDES = (BASELINE, "kombu", "celeriac")
_PLACES = ("broker_url", "result_backend")
#: Round trips and views, which take long and have no target, are measured in every fifth turn: odd,
#: and no multiple of three, so that their order changes too.
_WAITS_EVERY = 5
#: How many times the tasks of a round `enqueue_many` sends: enough to fill round trips.
_MANY_BATCHES = 10
_ORDERS = tuple(permutations(SIDES))


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        pool: Celery's name of the worker's pool.
        concurrency: Its slots.
        tasks: Tasks in each round, 1 or more.
        turns: Rounds of each side for each start of the processes, 1 or more.
        starts: How often all processes are started anew, 1 or more.
        loglevel: The worker's.
    """

    pool: str
    concurrency: int
    tasks: int
    turns: int
    starts: int
    loglevel: str


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one side; seconds for each task.

    Attributes:
        elapsed_s: On the clock on the wall.
        client_s: Processor time of the web process.
        worker_s: Processor time of the worker, with its pool.
        p50_s: Median of the waits for a result; None where nobody waits for one.
        p99_s: What 99 % of the waits do not exceed.
    """

    elapsed_s: float
    client_s: float
    worker_s: float
    p50_s: float | None = None
    p99_s: float | None = None


#: The rounds of each measure and side, by start of the processes.
Rounds = dict[str, dict[str, list[list[Round]]]]


def measure(plan: Plan, say: Callable[[str], None]) -> Rounds:
    """Measure all sides by *plan*.

    Args:
        say: Told what is going on, in short lines.

    Raises:
        SideError: A process failed, or plain Celery had other settings than Flask-Celeriac on it.
    """
    rounds: Rounds = {name: {side: [] for side in SIDES} for name in _MEASURES}
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as folder,
        EmbeddedServer(Path(folder) / "redis") as server,
    ):
        for start in range(plan.starts):
            say(f"{plan.pool}: start {start + 1} of {plan.starts}")
            with _all_sides(plan, server.url, Path(folder)) as sides:
                measured = _one_start(plan, sides, start)
            for name, side, all_rounds in measured:
                rounds[name][side].append(all_rounds)
    return rounds


@contextmanager
def _all_sides(plan: Plan, url: str, folder: Path) -> Iterator[Mapping[str, Side]]:
    """Start Flask-Celeriac on both transports; plain Celery with what resulted on its own."""
    server, _, _ = url.rpartition("/")
    with ExitStack() as stack:
        ours = stack.enter_context(_side("celeriac", plan, f"{server}/1", folder, {}))
        kombu = stack.enter_context(_side("kombu", plan, f"{server}/2", folder, {}))
        plain = stack.enter_context(_side("plain", plan, f"{server}/3", folder, kombu.settings))
        _require_same_settings(plain, kombu)
        yield {side.name: side for side in (plain, kombu, ours)}


@contextmanager
def one_side(name: str, plan: Plan, url: str, folder: Path) -> Iterator[Side]:
    """Start one side alone on the database *url*; for plain Celery the other is asked first."""
    folder.mkdir(exist_ok=True)
    given: dict[str, Any] = {}
    if name == BASELINE:
        with _side("kombu", plan, url, folder, {}) as kombu:
            given = kombu.settings
        kombu.redis.flushdb()
    with _side(name, plan, url, folder, given) as side:
        yield side


def _side(name: str, plan: Plan, url: str, folder: Path, given: dict[str, Any]) -> Side:
    return Side(
        name,
        url,
        folder,
        pool=plan.pool,
        concurrency=plan.concurrency,
        loglevel=plan.loglevel,
        given=given,
    )


def _require_same_settings(one: Side, other: Side) -> None:
    for role in ("worker", "client"):
        a, b = one.settings[role], other.settings[role]
        keys = (a.keys() | b.keys()) - {*_PLACES}
        differing = {key: (a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)}
        if differing:
            raise SideError(f"The settings of the {role}s differ: {differing}")


def _one_start(
    plan: Plan, sides: Mapping[str, Side], start: int
) -> list[tuple[str, str, list[Round]]]:
    kept: dict[tuple[str, str], list[Round]] = {
        (name, side): [] for name in _MEASURES for side in SIDES
    }
    _one_turn(plan, sides, SIDES, [*_MEASURES])  # imports, connections and caches: not counted
    for turn in range(plan.turns):
        order = _ORDERS[(turn + start) % len(_ORDERS)]
        names = [*_MEASURES] if turn % _WAITS_EVERY == 0 else ["enqueue", "drain", "enqueue many"]
        for key, one in _one_turn(plan, sides, order, names).items():
            kept[key].append(one)
    return [(name, side, all_rounds) for (name, side), all_rounds in kept.items()]


def _one_turn(
    plan: Plan, sides: Mapping[str, Side], order: tuple[str, ...], names: list[str]
) -> dict[tuple[str, str], Round]:
    # Measure by measure, so that the rounds of a turn come right after each other.
    measured = {}
    for name in names:
        for side in order:
            measured[name, side] = _MEASURES[name](sides[side], plan.tasks)
    return measured


def _timed(side: Side, count: int, act: Callable[[], dict[str, Any]]) -> Round:
    client_s, worker_s = side.client.read_s(), side.worker.read_s()
    began = time.perf_counter()
    answer = act()
    elapsed_s = answer.get("elapsed_s", time.perf_counter() - began)
    count = answer.get("count", count)
    client_s, worker_s = side.client.read_s() - client_s, side.worker.read_s() - worker_s
    waits_s = answer.get("latencies_s")
    return Round(
        elapsed_s / count,
        client_s / count,
        worker_s / count,
        percentile(waits_s, 0.5) if waits_s else None,
        percentile(waits_s, 0.99) if waits_s else None,
    )


def _enqueue(side: Side, count: int) -> Round:
    side.hold()
    return _timed(side, count, lambda: side.ask("enqueue", count=count))


def _enqueue_many(side: Side, count: int) -> Round:
    side.hold()
    sent = _timed(side, count, lambda: side.ask("enqueue_many", count=count, batches=_MANY_BATCHES))
    # Drains are measured elsewhere.
    side.discard_waiting()
    side.release()
    side.wait_until_drained()
    return sent


def _drain(side: Side, count: int) -> Round:
    def act() -> dict[str, Any]:
        side.release()
        side.wait_until_drained()
        return {}

    drained = _timed(side, count, act)
    side.ask("collect")
    return drained


def _round_trip(side: Side, count: int) -> Round:
    return _timed(side, count, lambda: side.ask("round_trip", count=count))


def _view(side: Side, count: int) -> Round:
    return _timed(side, count, lambda: side.ask("view", count=count))


#: In the order of a turn: a drain empties the queue that the enqueue before it filled.
_MEASURES: dict[str, Callable[[Side, int], Round]] = {
    "enqueue": _enqueue,
    "drain": _drain,
    "enqueue many": _enqueue_many,
    "round trip": _round_trip,
    "view": _view,
}
