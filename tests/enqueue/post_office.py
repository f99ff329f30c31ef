"""What is sent, and by which path."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from celery import signals
from celery._state import _task_stack
from flask import Flask, g
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


def in_place(app: Flask, place: str, stack: ExitStack, name: str) -> Any:
    """Enter *place*; return the request of the task *name* if *place* is inside of it."""
    celery = app.extensions["celery"]
    if place == "request":
        stack.enter_context(app.test_request_context("/"))
        g.user, g.request_id = {"name": "Ada"}, "a%s"
    elif place.startswith("task"):
        root = "root" if place.endswith("chain") else None
        task = celery.tasks[name]
        task.push_request(id="this", root_id=root, children=[], called_directly=False)
        stack.callback(task.pop_request)
        stack.enter_context(running(task))
        return task.request
    return None


@contextmanager
def running(task: Any) -> Iterator[None]:
    """Let *task* be the one that runs here, as a worker does."""
    _task_stack.push(task)
    signals.task_prerun.send(sender=task, task_id="this", task=task, args=(), kwargs={})
    try:
        yield
    finally:
        _task_stack.pop()
