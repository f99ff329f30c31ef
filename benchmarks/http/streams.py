"""Many open streams of events in one process, while real tasks tell of progress."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.processes import Running, SystemFailure
from benchmarks.peers.web_server import WebServer, web_server
from benchmarks.proc import memory_bytes
from benchmarks.processor import ProcessorClock, descendants

from .asking import ask
from .clients import Clients, started_clients
from .figures import Found
from .place import OURS, Place, place, wait_until
from .probe import Probe
from .stream_client import allow_files

#: Of each stream beside its progress: that the task has started, and its end.
_OTHERS = 2
_WARM_TASKS, _WARM_STREAMS, _WARM_TOLD = 2, 16, 3
_GO_AFTER_S = 1.0
_OPEN_WITHIN_S, _LATE_S = 300.0, 120.0
#: Descriptors of a process beside those of streams.
_FILES = 200
#: A process rests when it uses less than this share of a processor over a look: 10,000 streams have
#: some heartbeats to send at any time.
_RESTING, _LOOK_S, _REST_WITHIN_S = 0.1, 0.5, 20.0


@dataclass(frozen=True, slots=True)
class Point:
    """What is measured.

    Attributes:
        streams: That are open.
        events_per_s: Of progress, of all tasks together.
        tasks: Over which the streams are spread evenly.
        seconds: For which the tasks tell.
    """

    streams: int
    events_per_s: float
    tasks: int
    seconds: float

    @property
    def name(self) -> str:
        """In the tables."""
        return f"{self.streams:,} streams, {self.events_per_s:g} events/s"

    @property
    def told(self) -> int:
        """How often each task tells."""
        return max(1, round(self.seconds * self.events_per_s / self.tasks))

    @property
    def each(self) -> int:
        """How many events each stream has."""
        return self.told + _OTHERS

    @property
    def deliveries_per_s(self) -> float:
        """How many events reach clients, of all streams together."""
        return self.events_per_s * self.streams / self.tasks


def measure(point: Point, folder: Path, found: Found) -> None:
    """Put the figures of one point, on processes of its own, into *found*.

    Raises:
        SystemFailure: A process did not start, ended, or streams did not open.
    """
    if point.streams + _FILES > (most := allow_files()):
        raise SystemFailure(f"{point.streams} streams need more than {most} open files")
    kind = ("--worker-class", "gevent", "--worker-connections", str(point.streams + _FILES))
    with (
        place(OURS, folder) as here,
        here.worker(point.tasks) as worker,
        web_server(here, here.application, kind) as web,
        started_clients(here) as clients,
    ):
        scene = _Scene(here, worker, web, clients)
        scene.warm_up()
        found[point.name] = {OURS: scene.measure(point)}


class _Scene:
    """All processes of a point."""

    def __init__(self, here: Place, worker: Running, web: WebServer, clients: Clients) -> None:
        self._here, self._web, self._clients = here, web, clients
        # gunicorn listens before it has its process.
        ask(web.port, "/healthz")
        (self._web_pid,) = descendants(web.running.process.pid)
        self._clocks = {
            "web_share": ProcessorClock(self._web_pid),
            "worker_share": ProcessorClock(worker.process.pid),
            "redis_share": ProcessorClock(here.redis_pid),
        }

    def warm_up(self) -> None:
        """Let some streams begin and end, so that what is loaded once is there."""
        paths = self._send("warm", _WARM_TASKS, _WARM_TOLD, 0.05)
        self._open(paths, _WARM_STREAMS)
        self._go("warm", after_s=0.2)
        self._clients.ask("follow", each=_WARM_TOLD + _OTHERS, within_s=_LATE_S)

    def measure(self, point: Point) -> dict[str, float]:
        """Open the streams of *point*, let tasks tell, and return the figures."""
        paths = self._send("go", point.tasks, point.told, point.tasks / point.events_per_s)
        self._rest()
        before = _resident_bytes(self._web_pid)
        opened = self._open(paths, point.streams)
        self._rest()
        held = _resident_bytes(self._web_pid) - before
        used = {name: clock.read_s() for name, clock in self._clocks.items()}
        within_s = _GO_AFTER_S + point.seconds + _LATE_S
        with Probe(self._web.port) as probe:
            self._clients.begin("follow", each=point.each, within_s=within_s)
            self._go("go", after_s=_GO_AFTER_S)
            found = self._clients.answer()
        used = {name: clock.read_s() - used[name] for name, clock in self._clocks.items()}
        most = _most_resident_bytes(self._web_pid)
        return {
            "streams": point.streams,
            "expected_per_s": point.deliveries_per_s,
            "stream_kib": held / point.streams / 1024,
            # The kernel counts the most a little behind.
            "most_kib": max(most - before, held) / point.streams / 1024,
            "opened_per_s": point.streams / opened["took_s"],
            **found,
            **probe.figures(),
            **{name: seconds / found["arriving_s"] for name, seconds in used.items()},
            "client_share": found["client_s"] / found["arriving_s"],
            # The first event of each was read when it was opened.
            "web_us": used["web_share"] / (found["received"] - point.streams) * 1e6,
        }

    def _send(self, go: str, tasks: int, told: int, period_s: float) -> list[str]:
        """Send tasks that tell in turn, at equal distances; return where their events are."""
        paths = []
        for number in range(tasks):
            offset_s = period_s * number / tasks
            arguments = {"go": go, "count": told, "offset_s": offset_s, "period_s": period_s}
            status, body, _ = ask(self._web.port, "/tasks/tell", arguments)
            if status != 202:
                raise SystemFailure(f"a task was not sent: {status}")
            paths.append(body["links"]["events"])
        wait_until(lambda: self._has_started(paths[-1]), "a task has started")
        return paths

    def _has_started(self, path: str) -> bool:
        status = ask(self._web.port, path.removesuffix("/events"))[1]
        return bool(status["started_at"])

    def _open(self, paths: list[str], count: int) -> dict[str, Any]:
        return self._clients.ask(
            "open", port=self._web.port, paths=paths, count=count, within_s=_OPEN_WITHIN_S
        )

    def _go(self, name: str, *, after_s: float) -> None:
        unfinished = self._here.folder / f"{name}.part"
        unfinished.write_text(str(time.monotonic() + after_s))
        unfinished.rename(self._here.folder / name)

    def _rest(self) -> None:
        """Return when the web process has next to nothing to do, or after 20 s."""
        clock, deadline = self._clocks["web_share"], time.monotonic() + _REST_WITHIN_S
        used_s = math.inf
        while used_s > _RESTING * _LOOK_S and time.monotonic() < deadline:
            began_s = clock.read_s()
            time.sleep(_LOOK_S)
            used_s = clock.read_s() - began_s


def _resident_bytes(pid: int) -> int:
    return _status_bytes(pid, "VmRSS")


def _most_resident_bytes(pid: int) -> int:
    return _status_bytes(pid, "VmHWM")


def _status_bytes(pid: int, name: str) -> int:
    try:
        return memory_bytes(pid, name)
    except OSError as error:
        raise SystemFailure(str(error)) from error
