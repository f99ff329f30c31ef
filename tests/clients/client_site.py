"""The processes behind an address: web servers with `client_app`, and its worker."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from server_sent import Reading

HERE = Path(__file__).parent
WORKER = ("flask", "--app", "client_app:create_app", "celery", "worker", "-P", "threads",
          "-c", "16", "--without-mingle")  # fmt: skip
GTHREAD = ("-k", "gthread", "--threads", "16")
GEVENT = ("-k", "gevent")
TIMEOUT_S = 30


def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait until *condition* holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"still not true after {timeout_s} s"
        time.sleep(0.01)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


class Running:
    """A process that was started, and its log."""

    def __init__(self, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                words,
                cwd=log.parent,
                env={**os.environ, "PYTHONPATH": str(HERE), **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, is_ready: Callable[[], object]) -> None:
        """Wait until it is ready; fail with its log when it has ended before."""
        until(lambda: is_ready() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def stop(self, timeout_s: float = 20.0) -> None:
        """End it, by force where it goes on; safe to repeat."""
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout_s)


@dataclass
class Site:
    """An application as clients see it, perhaps by way of a proxy."""

    address: str

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(f"{self.address}{path}", timeout=TIMEOUT_S, **options)

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/health").json()
        return found

    def submit(self, task: str, **arguments: Any) -> str:
        """Send a task; returns its id."""
        url = f"{self.address}/tasks/{task}"
        sent = requests.post(url, json=arguments, timeout=TIMEOUT_S)
        assert sent.status_code == 202, sent.text
        return str(sent.json()["id"])

    def status(self, task_id: str, **headers: str) -> dict[str, Any]:
        answer = self.get(f"/tasks/{task_id}", headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def ended(self, task_id: str) -> dict[str, Any]:
        """Wait for the end of a task; returns its status."""
        return self.status(task_id, Prefer="wait=20")

    def open(self, task_id: str, cursor: int | None = None) -> requests.Response:
        """Begin to read the events of a task."""
        headers = {} if cursor is None else {"Last-Event-ID": str(cursor)}
        return self.get(f"/tasks/{task_id}/events", headers=headers, stream=True)

    def reading(self, task_id: str, cursor: int | None = None) -> Reading:
        """Read the events of a task in a thread."""
        return read(self.open(task_id, cursor))

    def answers(self) -> bool:
        with suppress(requests.ConnectionError):
            return self.get("/health").ok
        return False


def read(response: requests.Response) -> Reading:
    """Read the events of *response* in a thread."""
    assert response.status_code == 200, response.text
    return Reading(response.iter_content(None), response.close)


def start_web(log: Path, url: str, *words: str, **environment: str) -> tuple[Running, Site]:
    """Start gunicorn on a port of its own; *words* go before its own."""
    port = free_port()
    running = Running(
        [sys.executable, "-m", "gunicorn", *words, "-b", f"127.0.0.1:{port}",
         "--graceful-timeout", "1", "client_app:create_app()"],
        log,
        {"CLIENTS_URL": url, **environment},
    )  # fmt: skip
    site = Site(f"http://127.0.0.1:{port}")
    running.wait_for(site.answers)
    return running, site


def start_worker(log: Path, url: str) -> Running:
    """Start a worker; tasks may be sent before it is ready."""
    return Running([sys.executable, "-m", *WORKER], log, {"CLIENTS_URL": url})


def told(reading: Reading) -> list[tuple[str, int]]:
    """Kind and number of each event that has come."""
    return [(frame.kind, frame.number) for frame in reading.frames if frame.kind]


def walked(steps: int) -> list[tuple[str, int]]:
    """What a task that took so many steps tells."""
    progress = [("progress", number) for number in range(2, steps + 2)]
    return [("state", 1), *progress, ("end", steps + 2)]
