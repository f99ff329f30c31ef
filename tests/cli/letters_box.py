"""Put messages where only our transport keeps them, without a worker."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from flask import Flask

from flask_celeriac.transport.redis.store import MessageStore


@contextmanager
def messages_of(app: Flask) -> Any:
    with app.extensions["celery"].connection_for_write() as connection:
        yield connection.default_channel.store


def send(app: Flask, name: str, *args: Any, **options: Any) -> str:
    return str(app.extensions["celery"].send_task(name, args, **options).id)


def take(store: MessageStore, who: str, *, queue: str = "celery", lease_s: float = 60.0) -> int:
    [delivery] = store.claim(who, {queue: True}, 1, lease_s=lease_s).deliveries
    return delivery.number


def bury(app: Flask, name: str, *args: Any, reason: str = "as asked", **options: Any) -> int:
    """Make a dead letter; returns its number."""
    send(app, name, *args, **options)
    with messages_of(app) as store:
        who = f"undertaker-{uuid4()}"  # who has left comes no more
        number = take(store, who, queue=options.get("queue", "celery"))
        assert store.reject(who, number, reason)
        store.leave(who)
    return number


Bury = Callable[..., int]
