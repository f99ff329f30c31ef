"""Requests that wait for a task: one gunicorn process with threads, and load on it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from .environments import ROOT
from .processes import Running, SystemFailure, started

_THREADS = 32
_READY_WITHIN_S = 30.0
_SAMPLE_EVERY_S = 0.1
_ESTABLISHED = "01"


class Place(Protocol):
    """What a web process needs to know; a `Session` does."""

    @property
    def python(self) -> Path: ...
    @property
    def url(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def environment(self) -> Mapping[str, str]: ...


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
    port = _free_port()
    command: list[str | Path] = [
        place.python,
        "-m",
        "gunicorn",
        "--bind",
        f"127.0.0.1:{port}",
        "--workers",
        "1",
    ]
    command += ["--worker-class", "gthread", "--threads", str(_THREADS), "--keep-alive", "75"]
    command += ["--log-level", "warning", "benchmarks.peers.web_application:app"]
    environment = {**place.environment, "PEERS_MODULE": module}
    with started(command, place.folder / "web.log", environment) as server:
        _wait_until_ready(server, port)
        path = "/task" if module else "/plain"
        for count in connections:
            found[f"web, {count} at a time"] = _load(server, port, path, count, seconds, place.url)


def _load(
    server: Running, port: int, path: str, count: int, seconds: float, url: str
) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.peers.load", str(port), path]
    redis_port = urlsplit(url).port or 0
    most = 0
    with subprocess.Popen(
        [*command, str(count), str(seconds)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as load:
        while load.poll() is None:
            most = max(most, _connections_to(redis_port, server.family()))
            time.sleep(_SAMPLE_EVERY_S)
        assert load.stdout is not None
        printed = load.stdout.read()
    server.require_alive()
    if load.returncode:
        raise SystemFailure(f"the load ended with {load.returncode}: {server.last_words()}")
    figures: dict[str, float] = json.loads(printed)
    return {**figures, "connections": most}


def _connections_to(port: int, pids: Iterable[int]) -> int:
    """Return how many TCP connections *pids* have to *port* of this machine."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, *_, inode = line.split()[:10]
        if state == _ESTABLISHED and int(remote.partition(":")[2], 16) == port:
            inodes.add(f"socket:[{inode}]")
    return sum(target in inodes for pid in pids for target in _open_files(pid))


def _open_files(pid: int) -> Iterable[str]:
    for file in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            yield str(file.readlink())
        except OSError:
            continue


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_until_ready(server: Running, port: int) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        server.require_alive()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemFailure(f"no web server: {server.last_words()}") from error
            time.sleep(0.05)
        else:
            return
