"""What is sent, and by which path."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from celery import signals
from redis import Redis

Message = dict[str, Any]


@dataclass
class Post:
    """The messages in a database, and how they came there."""

    client: Redis
    #: How many messages each script brought: "publish" is Celery's path.
    scripts: list[tuple[str, int]] = field(default_factory=list)

    def take(self) -> list[Message]:
        """Take all messages that are ready or delayed, in the order in which they were sent."""
        taken = []
        for key in sorted(self.client.keys("*")):
            if self.client.type(key) == b"list" and b":bell:" not in key:
                taken += [json.loads(body) for body in reversed(self.client.lrange(key, 0, -1))]
        for entry in self.client.zrange("celeriac:1:delayed", 0, -1):
            taken.append(json.loads(entry.split(b"\n", 2)[2]))
        self.client.flushdb()
        return taken

    def paths(self) -> set[str]:
        """Return which scripts were used, and forget them."""
        used = {name for name, _ in self.scripts}
        self.scripts.clear()
        return used


@contextmanager
def celery_path() -> Iterator[list[str]]:
    """Let all go by Celery's own path: somebody listens, and what is heard is yielded."""
    heard: list[str] = []

    def listen(sender: str = "", **_: Any) -> None:
        heard.append(sender)

    signals.before_task_publish.connect(listen)
    try:
        yield heard
    finally:
        signals.before_task_publish.disconnect(listen)


def without_ids(message: Message, id_: str) -> Message:
    """Return *message* with its body decoded, and names in place of what is new each time."""
    properties = dict(message["properties"])
    assert UUID(properties.pop("delivery_tag"))
    text = json.dumps({**message, "properties": properties}).replace(json.dumps(id_), '"<id>"')
    plain: Message = json.loads(text)
    plain["body"] = base64.b64decode(plain["body"]).decode()
    return plain
