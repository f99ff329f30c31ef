"""How many messages are ready, as kombu asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Queue
from kombu.exceptions import ChannelError
from redis import Redis

from flask_celeriac.transport.redis import urls


@pytest.fixture
def channel(redis_url: str) -> Iterator[Any]:
    urls.register()
    options = {"global_keyprefix": "depth:"}
    with Connection(urls.ours(redis_url), transport_options=options) as connection:
        yield connection.channel()


def calls(client: Any) -> int:
    return sum(one["calls"] for one in client.info("commandstats").values())


def test_ready_messages_of_all_priorities_are_counted(channel):
    producer = channel.connection.client.Producer(channel)
    for priority in (0, 3, 9):
        producer.publish({}, routing_key="q", declare=[Queue("q")], priority=priority)
    assert channel.queue_declare("q", passive=True).message_count == 3


def test_asking_an_empty_queue_is_one_command(channel, redis_url):
    with Redis.from_url(redis_url) as client:
        channel.store.size("empty")  # the connection is there
        before = calls(client)
        with pytest.raises(ChannelError):
            channel.queue_declare("empty", passive=True)
        # And the INFO of before.
        assert calls(client) - before == 2
