"""Requests that wait for a task: one gunicorn process with threads, and load on it."""

from __future__ import annotations

from collections.abc import Iterable

from .web_server import Place, web_server

_APPLICATION = "benchmarks.peers.web_application:app"


def measure_web(
    place: Place,
    module: str,
    seconds: float,
    connections: Iterable[int],
    found: dict[str, dict[str, float]],
) -> None:
    """Put the requests a second for each number of *connections* into *found*.

    Args:
        module: Of the system; empty for a view without any task.

    Raises:
        SystemFailure: The server did not start, or ended.
    """
    with web_server(place, _APPLICATION, environment={"PEERS_MODULE": module}) as server:
        path = "/task" if module else "/plain"
        for count in connections:
            found[f"web, {count} at a time"] = server.load(path, count, seconds)
