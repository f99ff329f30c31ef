"""One test's server, workers and sender, and the sum over what was accepted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from application import create_app
from flask import Flask
from fleet import HERE, Fleet, wait_until
from ledger import Kill, Ledger, Run, undeclared, waits_s
from scale import IS_FULL, LEASE_S, PATIENCE_S, RECOVERY_S, RENEW_S

from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.store import MessageStore

_SHORT_LEASE = {"lease_s": LEASE_S, "renew_s": RENEW_S}


@dataclass(frozen=True)
class Counts:
    """What became of accepted tasks; all but `repeated` and `dead` are faults."""

    accepted: int
    lost: int = 0
    stuck: int = 0
    repeated: int = 0
    undeclared: int = 0
    late: int = 0
    dead: int = 0

    @property
    def faults(self) -> dict[str, int]:
        """Return the counts that must be 0 and are not."""
        named = {name: getattr(self, name) for name in ("lost", "stuck", "undeclared", "late")}
        return {name: count for name, count in named.items() if count}


@dataclass
class Scene:
    """Everything that one test breaks."""

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    table: list[tuple[str, Counts, float]] = field(default_factory=list)
    #: Where somebody else runs the servers: the URL that the app has, and a client.
    url: str = ""
    client: redis.Redis = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.began_s = time.monotonic()
        self.server = EmbeddedServer(self.folder / "redis")
        if not self.url:
            start_server(self.server)
            self.url = self.server.url
            self.client = redis.Redis.from_url(self.url)
        self.store = MessageStore(self.client, Layout())
        self.ledger = Ledger(self.folder / "ledger")
        if not IS_FULL:
            options = self.config.setdefault("CELERY_BROKER_TRANSPORT_OPTIONS", {})
            self.config["CELERY_BROKER_TRANSPORT_OPTIONS"] = {**_SHORT_LEASE, **options}
        self.fleet = Fleet(self.folder, self._environment())
        self.app = create_app(self.url, **self.config)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CHAOS_URL": self.url,
            "CHAOS_LEDGER": str(self.ledger.path),
            "CHAOS_CONFIG": json.dumps(self.config),
            "CELERIAC_STATE_DIR": str(self.folder / "state"),
            "PYTHONPATH": str(HERE),
        }

    def send(self, task: str, *args: Any, app: Flask | None = None, **options: Any) -> str:
        """Send a task by its short name; returns its id when it is accepted."""
        with (app or self.app).app_context():
            celery = (app or self.app).extensions["celery"]
            return str(celery.tasks[f"chaos.{task}"].apply_async(args, **options).id)

    def result(self, id_: str) -> Any:
        return self.app.extensions["celery"].AsyncResult(id_)

    def ask(self, command: str) -> Any:
        """Return what `flask celery <command> --json` says."""
        done = self.app.test_cli_runner().invoke(args=["celery", command, "--json"])
        return json.loads(done.stdout)

    def errors(self) -> dict[str, str]:
        """Return the errors that `flask celery doctor` finds."""
        found = self.ask("doctor")["findings"]
        return {each["check"]: each["says"] for each in found if each["level"] == "error"}

    def produce_stock(self, count: int, countdown_s: float = 0.0) -> subprocess.Popen[str]:
        """Start a plain Celery producer; what it sent is on its output."""
        return subprocess.Popen(
            [sys.executable, "-m", "stock", str(count), str(countdown_s)],
            env=self.fleet.environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill_server(self) -> None:
        kill_server(self.server)

    def restart_server(self) -> None:
        restart_server(self.server)

    def wait_started(self, *ids: str, seconds: float = PATIENCE_S) -> None:
        wait_until(lambda: set(ids) <= self.ledger.started(), seconds, self.logs)

    def wait_ended(self, ids: Iterable[str], seconds: float = PATIENCE_S) -> None:
        """Wait until all are done or dead letters and nothing is claimed, or time is over."""
        wanted, deadline_s = set(ids), time.monotonic() + seconds
        while time.monotonic() < deadline_s:
            missing = wanted - self.ledger.ended()
            if (not missing or missing <= self.kept(missing, "dead:*")) and not self.claims():
                return
            time.sleep(0.1)

    def claims(self) -> int:
        """Return how many claims there are, of all processes."""
        keys = self.client.scan_iter(match="celeriac:1:claims:*", count=1000)
        return sum(self.client.hlen(key) for key in keys)

    def kept(self, ids: Collection[str], pattern: str) -> set[str]:
        """Return which of *ids* are in a key of the transport."""
        texts = [self._text(key) for key in self.client.scan_iter(match=f"celeriac:1:{pattern}")]
        return {id_ for id_ in ids if any(id_ in text for text in texts)}

    def _text(self, key: bytes) -> str:
        kind = self.client.type(key)
        if kind == b"list":
            return str(self.client.lrange(key, 0, -1))
        if kind == b"hash":
            return str(self.client.hvals(key))
        return str(self.client.zrange(key, 0, -1)) if kind == b"zset" else ""

    def sum_up(
        self,
        scenario: str,
        ids: Collection[str],
        *,
        late: int = 0,
        poison: str = "",
        seconds: float = PATIENCE_S,
    ) -> Counts:
        """Wait for the end, count, and put the counts into the table.

        Each run of the task *poison* killed its own process.
        """
        self.wait_ended(ids, seconds)
        killed = self.ledger.of(poison)
        self.fleet.kills += [Kill(run.start_s, frozenset((run.pid,))) for run in killed]
        counts = self._count(ids, late)
        self.table.append((scenario, counts, time.monotonic() - self.began_s))
        return counts

    def _count(self, ids: Collection[str], late: int) -> Counts:
        kills = self.fleet.kills
        tasks = {id_: runs for id_, runs in self.ledger.by_task().items() if id_ in ids}
        missing = set(ids) - self.ledger.ended()
        dead = self.kept(missing, "dead:*")
        ready = self._text(b"celery")
        stuck = {id_ for id_ in missing - dead if id_ in ready} | self.kept(missing - dead, "*")
        waits = [wait for id_ in tasks for wait in self._waits_s(id_, tasks[id_])]
        return Counts(
            accepted=len(ids),
            lost=len(missing - dead - stuck),
            stuck=len(stuck) + self.claims(),
            repeated=sum(len(runs) - 1 for runs in tasks.values()),
            undeclared=sum(undeclared(runs, kills) for runs in tasks.values()),
            late=late + sum(wait > RECOVERY_S for wait in waits),
            dead=len(dead),
        )

    def _waits_s(self, id_: str, runs: list[Run]) -> list[float]:
        waits = waits_s(runs, self.fleet.kills)
        if max(waits, default=0) > RECOVERY_S:
            waits = waits_s(runs, self.fleet.kills, self.fleet.lost_s(f"[{id_}] received"))
        return waits

    def logs(self) -> str:
        return "\n".join(f"== {w.pid}\n{w.log[-2500:]}" for w in self.fleet.workers)

    def end(self) -> None:
        self.fleet.end()
        self.client.close()
        self.app.extensions["celery"].close()
        self.server.stop()


def start_server(server: EmbeddedServer) -> None:
    """Start a server that forgets nothing it has answered, however busy its disk is.

    With `appendfsync everysec` it writes up to two seconds later what it answered while it was
    syncing (Redis, aof.c: flushAppendOnlyFile), and forgets that when it is killed.
    """
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("appendfsync", "always")


def kill_server(server: EmbeddedServer) -> None:
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: server.returncode is not None, 10)


def restart_server(server: EmbeddedServer) -> None:
    """Start it again, on the same port and data."""
    url = server.url
    start_server(server)
    assert server.url == url
