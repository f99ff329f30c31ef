"""A private server, and the databases in it: each point has one of its own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from celery import Celery
from redis import Redis

from benchmarks.copies import copies
from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.store import MessageStore

from .gauge import Gauge

#: The task of the application whose workers drain.
TASK = "benchmarks.applications.celeriac.echo"
_AT_ONCE = 1_000
_SETTLED_WITHIN_S = 120.0


class Place:
    """One database, and what is measured in it.

    Attributes:
        url: Of the database.
        client: On it; nobody else is, but who is measured.
        store: On the same connection.
        gauge: Of the whole server.
        bodies: Messages without end, no two the same.
        closing: What is to be done before the server stops.
    """

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.client: Any = Redis.from_url(url)
        self.closing = ExitStack()
        self.closing.callback(self.client.close)
        self.store = MessageStore(self.client, Layout())
        self.gauge = Gauge(self.client, pid)
        self.bodies = copies(self._real_message())

    def fill(self, queue: str, count: int, *, delay_s: float = 0.0) -> None:
        """Publish *count* messages, many at once."""
        for first in range(0, count, _AT_ONCE):
            bodies = [*islice(self.bodies, min(_AT_ONCE, count - first))]
            self.store.publish_many(queue, bodies, delay_s=delay_s)

    def settle(self) -> None:
        """Return when the server has written to disk what it was given.

        Raises:
            TimeoutError: Not within two minutes.
        """
        deadline = time.monotonic() + _SETTLED_WITHIN_S
        while self.client.info("persistence")["aof_pending_bio_fsync"]:
            if time.monotonic() > deadline:
                raise TimeoutError("The server does not come to rest.")
            time.sleep(0.1)

    def _real_message(self) -> bytes:
        """Return the message of a task, as Celery sends it."""
        with Celery("growth", broker=self.url) as app:
            app.send_task(TASK, (1,), queue="sample")
        message: bytes = self.client.rpop("sample")
        return message


class Server:
    """A private server that syncs every second, and begins no rewrite while it is measured.

    Attributes:
        folder: For logs.
        product: Name and version.
        closing: What is to be done before it stops.
    """

    def __init__(self, server: EmbeddedServer, folder: Path) -> None:
        assert server.pid is not None
        self.folder = folder
        self.product = server.version
        self.closing = ExitStack()
        self._pid = server.pid
        self._address = server.url.rpartition("/")[0]
        with Redis.from_url(server.url) as client:
            client.config_set("auto-aof-rewrite-percentage", 0)

    def place(self, database: int) -> Place:
        """Return a database, 0 to 15."""
        place = Place(f"{self._address}/{database}", self._pid)
        self.closing.push(place.closing)
        return place


@contextmanager
def private_server() -> Iterator[Server]:
    """Start a server, and stop it at the end of the `with` block."""
    with (
        tempfile.TemporaryDirectory(prefix="benchmark-") as folder,
        EmbeddedServer(Path(folder) / "redis") as server,
    ):
        started = Server(server, Path(folder))
        with started.closing:
            yield started
