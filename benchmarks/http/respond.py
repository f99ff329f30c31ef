"""Requests that wait for a task: `celeriac.respond` beside `get` in a view."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.web_server import WebServer, web_server

from .asking import ask
from .figures import Found
from .place import place, wait_until

TASKS = {"noop": "no-op", "nap": "50 ms"}
#: So many that no request waits for one: of the web process as many can wait.
_SLOTS = 32


def measure(
    side: str, folder: Path, seconds: float, connections: Sequence[int], found: Found
) -> None:
    """Put the figures of *side*, which runs on a server of its own, into *found*.

    Raises:
        SystemFailure: A process did not start, or ended.
    """
    with place(side, folder) as here, here.worker(_SLOTS):
        for name, shown in TASKS.items():
            for count in connections:
                # Each time another process: connections that are open once stay so for a while.
                with web_server(here, here.application) as web:
                    figures = _load(web, f"/respond/{name}", count, seconds)
                found.setdefault(f"{shown}, {count} at a time", {})[side] = figures


def _load(web: WebServer, path: str, count: int, seconds: float) -> dict[str, float]:
    wait_until(lambda: ask(web.port, path)[0] == 200, "a task has run")
    return web.load(path, count, seconds)
