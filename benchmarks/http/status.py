"""The status of a task: beside what a view of one's own says, and a view that does nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.processes import Running
from benchmarks.peers.web_server import WebServer, web_server

from .asking import ask
from .figures import Found
from .place import OURS, PLAIN, Place, place, wait_until

#: Beside the two sides: an answer that has no body, and a view that does nothing.
UNCHANGED, NOTHING = "celeriac, 304", "(no task)"
#: The task, and the state in which it is asked for.
STATES = {"whole": "SUCCESS", "half": "PROGRESS"}
TITLES = {"whole": "finished", "half": "in progress"}


@dataclass(frozen=True, slots=True)
class _Request:
    row: str
    path: str
    options: Sequence[str] = ()


def measure(
    side: str, folder: Path, seconds: float, connections: Sequence[int], found: Found
) -> None:
    """Put the figures of *side*, which runs on a server of its own, into *found*.

    The worker stands still while it is asked for a task.

    Raises:
        SystemFailure: A process did not start, or ended.
    """
    with (
        place(side, folder) as here,
        here.worker(1) as worker,
        web_server(here, here.application) as web,
    ):
        for name, state in STATES.items():
            path = _task_that_stays(web, worker, name, state)
            for request in _requests(here, web, path, state):
                for count in connections:
                    measure = f"{TITLES[name]}, {count} at a time"
                    figures = web.load(request.path, count, seconds, request.options)
                    # They are of all who have asked this process until now.
                    del figures["connections"]
                    found.setdefault(measure, {})[request.row] = figures
            worker.release()


def _task_that_stays(web: WebServer, worker: Running, name: str, state: str) -> str:
    path = f"/tasks/{ask(web.port, f'/send/{name}')[1]['id']}"
    wait_until(lambda: ask(web.port, path)[1].get("state") == state, f"a task is in {state}")
    worker.hold()
    return path


def _requests(here: Place, web: WebServer, path: str, state: str) -> Iterator[_Request]:
    yield _Request(here.side, path, ["--members", json.dumps({"state": state})])
    if here.side == OURS:
        etag = ask(web.port, path)[2]["ETag"]
        options = ["--header", f"If-None-Match: {etag}", "--status", "304", "--members", "{}"]
        yield _Request(UNCHANGED, path, options)
    if here.side == PLAIN:
        yield _Request(NOTHING, "/healthz")
