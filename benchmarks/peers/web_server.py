"""A gunicorn process with an application, the load on it, and its connections to Redis."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from .environments import ROOT
from .processes import Running, SystemFailure, started

#: Arguments of gunicorn, for requests that wait in threads.
THREADS = ("--worker-class", "gthread", "--threads", "32")
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


@dataclass(frozen=True, slots=True)
class WebServer:
    """One that answers.

    Attributes:
        running: The parent of the one process that answers requests.
        port: Of this machine.
        url: Of the Redis that it uses.
    """

    running: Running
    port: int
    url: str

    def load(
        self, path: str, connections: int, seconds: float, options: Sequence[str] = ()
    ) -> dict[str, float]:
        """Ask for *path* over so many kept connections at a time.

        Args:
            options: Of `benchmarks.peers.load`, where another answer than the usual is right.

        Returns:
            What `load` prints, and the most "connections" to Redis that were open meanwhile.

        Raises:
            SystemFailure: The server or the load ended.
        """
        command = [sys.executable, "-m", "benchmarks.peers.load", str(self.port), path]
        redis_port = urlsplit(self.url).port or 0
        most = 0
        with subprocess.Popen(
            [*command, str(connections), str(seconds), *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as load:
            while load.poll() is None:
                most = max(most, _connections_to(redis_port, self.running.family()))
                time.sleep(_SAMPLE_EVERY_S)
            assert load.stdout is not None
            printed = load.stdout.read()
        self.running.require_alive()
        if load.returncode:
            last = self.running.last_words()
            raise SystemFailure(f"the load ended with {load.returncode}: {last}")
        figures: dict[str, float] = json.loads(printed)
        return {**figures, "connections": most}


@contextmanager
def web_server(
    place: Place,
    application: str,
    kind: Sequence[str] = THREADS,
    environment: Mapping[str, str] | None = None,
) -> Iterator[WebServer]:
    """Start gunicorn with one process, and end it with the `with` block.

    Args:
        application: "module:name".
        kind: Arguments of gunicorn that say how it serves.
        environment: Beside that of *place*.

    Raises:
        SystemFailure: It did not start.
    """
    port = _free_port()
    command: list[str | Path] = [place.python, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", "1", "--keep-alive", "75", *kind, "--log-level", "warning"]
    log = place.folder / "web.log"
    whole = {**place.environment, **(environment or {})}
    with started([*command, application], log, whole) as running:
        _wait_until_ready(running, port)
        yield WebServer(running, port, place.url)


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
