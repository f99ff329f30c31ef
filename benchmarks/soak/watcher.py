"""Looks which accepted tasks have ended, and how much memory everything has."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from celery import states

from flask_celeriac.transport.redis.keys import namespace

_META = "celery-task-meta-"
_AT_ONCE = 500
_PAGE_BYTES = 4096
_MEMORY_EVERY_S = 2.0


@dataclass(slots=True)
class Sample:
    """Memory at one time, in bytes; 0 where a process did not answer."""

    at: float
    server_bytes: int
    worker_bytes: dict[str, int]


@dataclass(slots=True)
class Watcher:
    """What is known of the accepted tasks.

    Attributes:
        open: Ids that have not been seen to end, in the order in which they were accepted.
        outcomes: How many ended in which way; "dead letter" is one of them.
    """

    client: Any
    accepted: int = 0
    open: dict[str, None] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def accept(self, id_: str) -> None:
        """Take down an accepted task."""
        self.accepted += 1
        self.open[id_] = None

    def look(self) -> None:
        """See which have ended; nothing while the server does not answer."""
        ids = list(self.open)
        with contextlib.suppress(redis.RedisError):
            for first in range(0, len(ids), _AT_ONCE):
                some = ids[first : first + _AT_ONCE]
                found = self.client.mget([_META + id_ for id_ in some])
                for id_, meta in zip(some, found, strict=True):
                    self._note(id_, meta)

    def _note(self, id_: str, meta: bytes | None) -> None:
        result = json.loads(meta) if meta else {"status": states.PENDING}
        if result["status"] not in states.READY_STATES:
            return
        outcome = result["status"]
        if outcome == states.FAILURE and result["result"].get("exc_type") == "TaskIsDead":
            outcome = "dead letter"
        elif result["result"] != id_:
            self.wrong.append(f"{id_}: {outcome} {result['result']!r}")
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        del self.open[id_]

    def sample(self, workers: Mapping[str, Iterable[int]]) -> None:
        """Measure memory, if the last time is long enough ago."""
        now = time.monotonic()
        if self.samples and now - self.samples[-1].at < _MEMORY_EVERY_S:
            return
        server_bytes = 0
        with contextlib.suppress(redis.RedisError):
            server_bytes = int(self.client.info("memory")["used_memory"])
        sizes = {name: sum(map(_resident_bytes, pids)) for name, pids in workers.items()}
        self.samples.append(Sample(now, server_bytes, sizes))

    def places(self) -> dict[str, str]:
        """Return where in Redis each open task is; those that are nowhere are missing."""
        found = {}
        for key in self.client.scan_iter(count=1000):
            name = key.decode(errors="replace")
            if name.startswith(("celery", namespace())) and not name.startswith(_META):
                text = _text_of(self.client, key)
                found.update({id_: name for id_ in self.open if id_.encode() in text})
        return found

    def claims(self) -> dict[str, int]:
        """Return how many claims each process has that has any."""
        keys = list(self.client.scan_iter(match=f"{namespace()}claims:*", count=1000))
        return {key.decode(): self.client.hlen(key) for key in keys}


def _text_of(client: Any, key: bytes) -> bytes:
    kind = client.type(key)
    if kind == b"list":
        return b"\n".join(client.lrange(key, 0, -1))
    if kind == b"zset":
        return b"\n".join(client.zrange(key, 0, -1))
    if kind == b"hash":
        return b"\n".join(client.hvals(key))
    return b""


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0
