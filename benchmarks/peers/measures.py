"""What is measured of one system: drains, enqueueing, round trips."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.spread import percentile

from .processes import SystemFailure
from .session import Session
from .web import measure_web

#: Figures by name, of measures by name.
Measures = dict[str, dict[str, float]]
WHAT = ("drain", "roundtrip", "enqueue", "web")

#: Tasks with a result behind those without: only so can their end be seen in all systems.
_SENTINELS = 20
_WARM_UP = 100
_UNCOUNTED_TRIPS = 5
#: A drain of tasks that wait has this many for each slot, or as many as others if that is less.
_NAPS_A_SLOT = 20


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured in a turn.

    Attributes:
        tasks: In a drain, before the scale of the system.
        trips: Round trips.
        web_s: Seconds of load for each number of connections.
        connections: Those numbers.
    """

    tasks: int
    trips: int
    web_s: float
    connections: Sequence[int]


def measure(session: Session, sizes: Sizes, what: Iterable[str], found: Measures) -> None:
    """Measure *what* of a system that runs, and put it into *found* as it comes.

    Raises:
        SystemFailure: It failed; what was measured before stands.
    """
    what = set(what)
    count = max(_WARM_UP, round(sizes.tasks * session.system.scale))
    _warm_up(session)
    if what & {"drain", "enqueue"}:
        _enqueue_and_drain(session, count, what, found)
    if "enqueue" in what and session.about["has_bulk"]:
        found["bulk"] = _bulk(session, count)
    if "drain" in what:
        found["drain without results"] = _drain_quiet(session, count)
        found["drain, 1 ms"] = _drain_tasks(session, "nap_1", count // 2)
        naps = min(count, session.system.slots * _NAPS_A_SLOT)
        found["drain, 50 ms"] = _drain_tasks(session, "nap_50", naps)
    if "roundtrip" in what:
        found["round trip"] = _round_trip(session, sizes.trips)
    if "web" in what and session.system.has_web:
        measure_web(session, session.system.module, sizes.web_s, sizes.connections, found)


def _warm_up(session: Session) -> None:
    for task in ("quiet", "noop"):
        keys = session.ask("enqueue", task=task, count=_WARM_UP)["keys"]
    session.wait_until_done(keys)
    session.ask("forget")
    session.ask("round_trip", count=_WARM_UP // 5)
    session.wait_until_done([])


def _enqueue_and_drain(session: Session, count: int, what: set[str], found: Measures) -> None:
    session.hold()
    sent = session.ask("enqueue", task="noop", count=count)
    _require_held(session, sent["keys"])
    if "enqueue" in what:
        found["enqueue"] = _rate(sent, count)
    drained = _drain(session, sent["keys"], count)
    if "drain" in what:
        found["drain"] = drained


def _bulk(session: Session, count: int) -> dict[str, float]:
    session.hold()
    sent = session.ask("bulk", task="noop", count=count)
    _require_held(session, sent["keys"])
    _drain(session, sent["keys"], count)
    return _rate(sent, count)


def _drain_tasks(session: Session, task: str, count: int) -> dict[str, float]:
    session.hold()
    sent = session.ask("enqueue", task=task, count=count)
    return _drain(session, sent["keys"], count)


def _drain_quiet(session: Session, count: int) -> dict[str, float]:
    session.hold()
    quiet = session.ask("enqueue", task="quiet", count=count)["keys"]
    session.ask("forget")
    keys = session.ask("enqueue", task="noop", count=_SENTINELS)["keys"]
    drained = _drain(session, keys, count + _SENTINELS)
    if kept := session.count_kept(quiet[:1000]):
        raise SystemFailure(f"kept {kept} results that were to be left away")
    return drained


def _drain(session: Session, keys: Sequence[str], count: int) -> dict[str, float]:
    """Let the held workers do what waits, whose results must then be there, all and right."""
    workers, server = session.clocks()
    workers_s, server_s = sum(clock.read_s() for clock in workers), server.read_s()
    began = time.perf_counter()
    session.release()
    session.wait_until_done(keys)
    elapsed_s = time.perf_counter() - began
    workers_s = sum(clock.read_s() for clock in workers) - workers_s
    server_s = server.read_s() - server_s
    session.ask("collect")
    return {
        "tasks_per_s": count / elapsed_s,
        "worker_us": workers_s / count * 1e6,
        "server_us": server_s / count * 1e6,
    }


def _require_held(session: Session, keys: Sequence[str]) -> None:
    """Make sure that the workers did not run, and that what waits is counted.

    Redis may have given a message or two to each of those that waited for one.
    """
    if session.count_kept(keys[:1000]):
        raise SystemFailure("tasks ran while the workers were held")
    if not len(keys) // 2 < (left := session.count_left()) <= len(keys):
        raise SystemFailure(f"{len(keys)} tasks were sent, but {left} messages are counted")


def _rate(sent: dict[str, float], count: int) -> dict[str, float]:
    return {
        "tasks_per_s": count / sent["elapsed_s"],
        "client_us": sent["processor_s"] / count * 1e6,
    }


def _round_trip(session: Session, count: int) -> dict[str, float]:
    # The first reads what Redis has told the sender of tasks that nobody awaited.
    session.ask("round_trip", count=_UNCOUNTED_TRIPS)
    waits_s = session.ask("round_trip", count=count)["waits_s"]
    return {"p50_ms": percentile(waits_s, 0.5) * 1e3, "p99_ms": percentile(waits_s, 0.99) * 1e3}
