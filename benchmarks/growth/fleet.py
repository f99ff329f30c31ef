"""Real workers that drain a queue together: what a task of theirs costs the server."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.applications.settings import GIVEN, TOLD, TRANSPORT
from flask_celeriac.embedded import GuardedProcess
from flask_celeriac.transport.redis.keys import claims_key

from .gauge import Reading
from .place import Place, Server, private_server
from .scale import Scale

_ROOT = Path(__file__).parents[2]
_WORDS = (
    "-m celery -A benchmarks.applications.celeriac:celery_app worker -P threads -c 8 -l warning"
)
_QUEUE = "celery"
_WARM_UP = 200
_READY_WITHIN_S, _DRAIN_WITHIN_S, _STOP_WITHIN_S = 60.0, 120.0, 20.0
#: Often enough to be exact; the looks themselves cost the server time.
_LOOK_EVERY_S = 0.02
#: `CELERIAC_TRANSPORT` of the workers, by the name of what is measured.
_TRANSPORTS = {"whole task": "celeriac", "stock: whole task": "kombu"}


def measure(scale: Scale, say: Callable[[str], None]) -> dict[int, list[dict[str, Reading]]]:
    """Let so many workers drain as the scale says, in turns.

    Returns:
        The readings of each number of workers, by start: of a task from its claim to its
        acknowledgement with a result, with all that the workers do beside.

    Raises:
        TimeoutError: Workers did not start, or did not drain.
    """
    found: dict[int, list[dict[str, Reading]]] = {size: [] for size in scale.processes}
    for number in range(scale.starts):
        order = [*scale.processes] if number % 2 else [*reversed(scale.processes)]
        for size in order:
            say(f"{size} workers, start {number + 1} of {scale.starts}")
            found[size].append(
                {name: _drained(kind, size, scale.drained) for name, kind in _TRANSPORTS.items()}
            )
    return found


def _drained(transport: str, size: int, count: int) -> Reading:
    with private_server() as server:
        place = server.place(0)
        with _workers(server, place, transport, size) as workers:
            _drain(place, workers, min(_WARM_UP, count))
            return _drain(place, workers, count)


@contextmanager
def _workers(
    server: Server, place: Place, transport: str, size: int
) -> Iterator[list[GuardedProcess]]:
    with ExitStack() as stack:
        workers, told = [], [server.folder / f"told-{number}" for number in range(size)]
        for path in told:
            workers.append(_start(place.url, server.folder, path, transport))
            stack.callback(_stop, workers[-1])
        _wait_until(lambda: all(path.exists() for path in told), _READY_WITHIN_S, "started")
        if transport == "celeriac":
            # Without its lease nobody knows where a worker keeps what it has taken.
            _wait_until(lambda: len(place.store.leases()) == size, _READY_WITHIN_S, "taken a lease")
        yield workers


def _start(url: str, folder: Path, told: Path, transport: str) -> GuardedProcess:
    environment = {
        GIVEN: json.dumps({"broker_url": url, "result_backend": url}),
        TRANSPORT: transport,
        TOLD: str(told),
        "CELERIAC_STATE_DIR": str(folder / "state"),
    }
    with told.with_suffix(".log").open("wb") as log:
        return GuardedProcess(
            [sys.executable, *_WORDS.split(), "-n", f"{told.name}@growth"],
            cwd=_ROOT,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )


def _stop(worker: GuardedProcess) -> None:
    worker.end()
    with suppress(TimeoutError):
        worker.wait(_STOP_WITHIN_S)


def _drain(place: Place, workers: list[GuardedProcess], count: int) -> Reading:
    """Hold the workers until all is there, so that they begin together."""
    for worker in workers:
        worker.send_signal(signal.SIGSTOP)
    place.fill(_QUEUE, count)
    place.settle()
    taken = ["unacked", *(claims_key("", name) for name in place.store.leases())]

    def act() -> None:
        for worker in workers:
            worker.send_signal(signal.SIGCONT)
        _wait_until(lambda: not place.client.exists(_QUEUE, *taken), _DRAIN_WITHIN_S, "drained")

    reading = place.gauge.read(act, 1, count)
    results = [*place.client.scan_iter(match="celery-task-meta-*", count=_WARM_UP)]
    if len(results) != count:
        raise AssertionError(f"{len(results)} results of {count} tasks")
    place.client.unlink(*results)
    return reading


def _wait_until(is_so: Callable[[], bool], within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"The workers have not {what} after {within_s:.0f} s.")
        time.sleep(_LOOK_EVERY_S)
