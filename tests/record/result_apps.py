"""What the tests of the result backend share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from celery import Celery

from flask_celeriac.transport.redis.keys import claims_key
from subscriptions import subscriptions

MakeApp = Callable[..., Celery]


def listening(client: redis.Redis) -> int:
    """How many connections are subscribed to something."""
    return len(subscriptions(client))


def channels(client: redis.Redis) -> int:
    """How many channels they listen to, together."""
    return sum(subscriptions(client))


def with_claimed_task(app: Celery, client: redis.Redis, incarnation: str, **options: Any) -> Celery:
    """Give *app* a task "add", a run of which is claim number 7 of *incarnation*."""

    @app.task(name="add", acks_late=True, shared=False, **options)
    def add() -> None: ...

    app.finalize()
    client.hset(claims_key("", incarnation), "7", "x")
    return app
