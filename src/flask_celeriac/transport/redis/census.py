"""How many messages are where, besides the ready lists."""

from __future__ import annotations

from dataclasses import dataclass

from .store import MessageStore


@dataclass(frozen=True, slots=True)
class Census:
    """Counts of messages that Celery's own transport would not find.

    Attributes:
        delayed: Wait for their time.
        parked: Wait for a worker that knows their task.
        claimed: Are with a process: running, or about to.
        dead: Wait for somebody's decision.
    """

    delayed: int
    parked: int
    claimed: int
    dead: int


def take(store: MessageStore) -> Census:
    """Count, at about one time.

    Raises:
        redis.exceptions.RedisError: The server does not answer; safe to repeat.
    """
    ns = store.layout.namespace
    processes = list(store.leases())
    parked = sum(store.parked().values())
    with store.client.pipeline(transaction=False) as pipe:
        pipe.zcard(f"{ns}delayed")
        pipe.zcard(f"{ns}dead")
        for incarnation in processes:
            pipe.hlen(f"{ns}claims:{incarnation}")
        delayed, dead, *claims = pipe.execute()
    return Census(int(delayed), parked, sum(claims), int(dead))
