"""What the tests of the result backend share."""

from __future__ import annotations

from collections.abc import Callable

import redis
from celery import Celery

MakeApp = Callable[..., Celery]


def listening(client: redis.Redis) -> int:
    """How many connections are subscribed to something."""
    return sum(int(each["sub"]) > 0 for each in client.client_list())


def channels(client: redis.Redis) -> int:
    """How many channels of results somebody listens to."""
    return len(client.pubsub_channels("celery-task-meta-*"))
