"""Many who wait and watch, on real web servers: one subscription for all, no one is shut out."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
import redis
import requests
from celery import Celery

from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.record.journal.facts import NewEntry
from flask_celeriac.record.journal.find import journal_of
from flask_celeriac.record.urls import ours
from server_sent import Frame, frames_of

HERE = Path(__file__).parent
GUNICORN = ("gunicorn", "-w", "1", "-b", "127.0.0.1:{port}", "served:create_app()")
SERVERS = {
    "gthread": (*GUNICORN, "-k", "gthread", "--threads", "32"),
    "gevent": (*GUNICORN, "-k", "gevent"),
    "waitress": ("waitress", "--listen=127.0.0.1:{port}", "--threads=32", "--call",
                 "served:create_app"),
    "development": ("flask", "--app", "served", "run", "-p", "{port}"),
}  # fmt: skip
SYNC = (*GUNICORN, "-k", "sync")

Start = Callable[..., "Web"]


@dataclass
class Web:
    """A running web server, and the Redis behind it."""

    address: str
    redis: redis.Redis
    celery: Celery
    clients: list[Client] = field(default_factory=list)

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(f"{self.address}{path}", timeout=30, **options)

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/healthz").json()
        return found

    def add(self, kind: str) -> Client:
        """Let one more client wait, for a task of its own; returns when it does."""
        client = Client(self, kind)
        self.clients.append(client)
        # Of a result there is one channel, of all that happens there is another.
        channels = 1 if kind == "respond" else 2
        until(lambda: len(self.redis.pubsub_channels(f"*{client.task_id}*")) == channels)
        return client

    def connections(self) -> list[int]:
        """To how many channels each connection of the web server listens."""
        process = psutil.Process(self.health()["pid"])
        own = {f"{each.laddr.ip}:{each.laddr.port}" for each in process.net_connections("inet")}
        return sorted(int(row["sub"]) for row in self.redis.client_list() if row["addr"] in own)


class Client(threading.Thread):
    """Reads the stream of a task, or waits for it in a long poll or in a view."""

    PATHS = {"stream": "/tasks/{}/events", "poll": "/tasks/{}", "respond": "/respond/{}"}  # noqa: RUF012

    def __init__(self, web: Web, kind: str) -> None:
        super().__init__(daemon=True)
        self.task_id = str(uuid4())
        journal_of(web.celery).open([NewEntry(self.task_id, "shop.mail")])
        headers = {"Prefer": "wait=20"}
        url = f"{web.address}{self.PATHS[kind].format(self.task_id)}"
        self._request = lambda: requests.get(url, headers=headers, stream=True, timeout=60)
        self.kind = kind
        self.frames: list[Frame] = []
        self.answer: Any = None
        self.response: requests.Response | None = None
        self.start()

    def run(self) -> None:
        self.response = self._request()
        if self.kind != "stream":
            self.answer = self.response.json()
            return
        with suppress(requests.RequestException, AttributeError):
            for frame in frames_of(self.response.iter_content(None)):
                self.frames.append(frame)

    def leave(self) -> None:
        """Close the connection as a browser does that goes to another page."""
        assert self.response is not None
        sock = socket.fromfd(
            self.response.raw._fp.fp.raw._sock.fileno(), socket.AF_INET, socket.SOCK_STREAM
        )
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        self.response.close()


def until(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"still not true after {timeout_s} s"
        time.sleep(0.01)


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start a web server by its command line; its Redis is *url*, or an empty database."""
    processes: list[subprocess.Popen[bytes]] = []
    celeries: list[Celery] = []

    def begin(*words: str, url: str = redis_url, **environment: str) -> Web:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = str(probe.getsockname()[1])
        log = tmp_path / "server.log"
        with log.open("wb") as output:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", *(word.format(port=port) for word in words)],
                    cwd=tmp_path,
                    env={**os.environ, "PYTHONPATH": str(HERE), "SERVED_URL": url, **environment},
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )  # fmt: skip
        address = f"http://127.0.0.1:{port}"
        until(lambda: answers(address) or processes[-1].poll() is not None)
        assert processes[-1].poll() is None, log.read_text()
        celeries.append(Celery("tests", set_as_current=False, broker=url, backend=ours(url)))
        client = redis.Redis.from_url(url, decode_responses=True)
        return Web(address, client, celeries[-1])

    yield begin
    for process in processes:
        # gunicorn's own process would outlive it, as long as a client reads a stream.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
    for celery in celeries:
        celery.close()


def answers(address: str) -> bool:
    with suppress(requests.ConnectionError):
        return requests.get(f"{address}/healthz", timeout=10).ok
    return False


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_many_wait_on_one_connection_and_others_are_answered(start: Start, name: str) -> None:
    web = start(*SERVERS[name])
    kinds = ["stream", "poll", "respond"]
    for number in range(6):
        web.add(kinds[number % 3])
    few = web.connections()
    for number in range(24):
        web.add(kinds[number % 3])
    many = web.connections()
    before = web.health()
    quiet_until = time.monotonic() + 2
    until(lambda: time.monotonic() > quiet_until)
    after = web.health()
    print(
        name, "processor time of 30 who wait for 2 s:", after["processor_s"] - before["processor_s"]
    )
    assert before["streams"] == 10
    # One listens to all: of each stream and poll two channels, of each `respond` one.
    assert [count for count in many if count] == [50]
    # The others are of those who ask, on a busy machine of some at the same moment: 30 wait.
    assert max(len(few), len(many)) <= 8
    for client in web.clients:
        journal_of(web.celery).ended(client.task_id)
        web.celery.backend.store_result(client.task_id, client.task_id, "SUCCESS")
    for client in web.clients:
        client.join(20)
        assert not client.is_alive()
    for client in web.clients:
        ends = [frame.data["result"] for frame in client.frames if frame.kind == "end"]
        told = {"stream": ends, "poll": [client.answer and client.answer["result"]]
                if client.kind == "poll" else [], "respond": [client.answer]}  # fmt: skip
        assert told[client.kind] == [client.task_id]
    until(lambda: web.health()["streams"] == 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gthread", "gevent"])
def test_streams_outlive_a_restart_of_redis_and_skip_nothing(
    start: Start, own_server: EmbeddedServer, name: str
) -> None:
    web = start(*SERVERS[name], url=own_server.url)
    for _ in range(10):
        web.add("stream")
    for client in web.clients:
        journal_of(web.celery).started(client.task_id)
    until(lambda: all(len(client.frames) == 2 for client in web.clients))
    own_server.stop()
    own_server.start()
    for client in web.clients:
        journal_of(web.celery).progress(client.task_id, {"current": 1})
        web.celery.backend.store_result(client.task_id, "sent", "SUCCESS")
    for client in web.clients:
        client.join(30)
        told = [(frame.kind, frame.number) for frame in client.frames if frame.kind]
        assert told == [("state", 1), ("progress", 2), ("end", 3)]


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
def test_clients_that_leave_free_their_places(start: Start, name: str) -> None:
    web = start(*SERVERS[name], SERVED_HEARTBEAT="0.5")
    for _ in range(5):
        web.add("stream")
    assert web.health()["streams"] == 5
    for client in web.clients[:3]:
        client.leave()
    until(lambda: web.health()["streams"] == 2, 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "threads"),
    [
        ((*GUNICORN, "-k", "gthread", "--threads", "4"), 4),
        (("waitress", "--listen=127.0.0.1:{port}", "--call", "served:create_app"), 4),
    ],
)
def test_one_thread_is_left_for_others(start: Start, words: tuple[str, ...], threads: int) -> None:
    web = start(*words)
    for _ in range(threads - 1):
        web.add("stream")
    refused = web.get(f"/tasks/{web.clients[0].task_id}/events")
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert web.health()["streams"] == threads - 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [SYNC, (*GUNICORN, "-k", "gthread", "--threads", "1"),
              ("flask", "--app", "served", "run", "-p", "{port}", "--without-threads")]
)  # fmt: skip
def test_a_server_without_threads_refuses_streams_and_stays_reachable(
    start: Start, words: tuple[str, ...]
) -> None:
    web = start(*words)
    task_id = str(uuid4())
    journal_of(web.celery).open([NewEntry(task_id, "shop.mail")])
    for _ in range(3):
        refused = web.get(f"/tasks/{task_id}/events")
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
    assert web.health()["streams"] == 0
    began = time.monotonic()
    polled = web.get(f"/tasks/{task_id}", headers={"Prefer": "wait=20"})
    assert polled.headers["Preference-Applied"] == "wait=1"
    assert 0.9 < time.monotonic() - began < 5
