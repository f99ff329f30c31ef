"""Who listens to channels of Redis, in the database of a test alone."""

from __future__ import annotations

import redis


def subscriptions(client: redis.Redis) -> list[int]:
    """How many channels each connection listens to that has the database of *client*.

    Channels belong to no database, and what other tests left behind listens to some.
    """
    database = str(client.get_connection_kwargs()["db"])
    counts = (int(each["sub"]) for each in client.client_list() if each["db"] == database)
    return [count for count in counts if count]
