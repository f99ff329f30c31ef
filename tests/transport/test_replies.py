"""What becomes of the reply to a claim that comes when it is not wanted any more."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from queue import Empty
from typing import Any

import pytest
from kombu import Connection, Queue
from kombu.utils.eventio import poll
from redis import Redis

from flask_celeriac.transport.redis import urls
from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.store import MessageStore

_names = itertools.count()


@pytest.fixture
def channel(redis_url: str, wait_until: Callable[..., None]) -> Iterator[Any]:
    """A channel that consumes from "q", two messages at most; nothing turns its loop."""
    urls.register()
    # A claimant of this test's own: each has a place, and the prefix is part of that.
    options = {"global_keyprefix": f"{next(_names)}:", "lease_s": 0.5, "renew_s": 60.0}
    with Connection(urls.ours(redis_url), transport_options=options) as connection:
        channel = connection.channel()
        channel.taken = []
        consumer = connection.Consumer([Queue("q")], channel=channel)
        consumer.register_callback(lambda _body, message: channel.taken.append(message))
        consumer.qos(prefetch_count=2)
        consumer.consume()
        # The first look of the claimant's keeper; the next is far.
        workers = f"{channel.layout.namespace}workers"
        incarnation = channel.claimant.incarnation
        wait_until(lambda: channel.store.client.zscore(workers, incarnation))
        yield channel


@pytest.fixture
def store(channel: Any, redis_url: str) -> Iterator[MessageStore]:
    """The same messages, as another process sees them."""
    with Redis.from_url(redis_url) as client:
        yield MessageStore(client, Layout(prefix=channel.global_keyprefix))


def send(channel: Any, count: int) -> None:
    producer = channel.connection.client.Producer(channel)
    for number in range(count):
        producer.publish({"number": number}, routing_key="q")


def ask(channel: Any) -> Any:
    """Let the channel claim; return the poller, and the descriptor of the reply's socket."""
    channel.store.claim("nobody", {}, 0, lease_s=60.0)  # the server knows the script
    poller = channel.connection.cycle
    poller.on_poll_init(poll())
    poller.on_poll_start()
    assert channel.is_claiming
    assert channel.client.connection.can_read(timeout=10.0)
    return poller, channel.client.connection._sock.fileno()


def test_what_has_no_room_any_more_goes_back_at_once(channel, store):
    send(channel, 2)
    poller, fd = ask(channel)
    channel.qos.prefetch_count = 1

    poller.on_readable(fd)
    assert [message.payload["number"] for message in channel.taken] == [0]
    assert store.size("q") == 1


def test_a_reply_is_read_although_there_is_no_room(channel, store, monkeypatch):
    send(channel, 2)
    poller, fd = ask(channel)
    monkeypatch.setattr(channel.qos, "has_room", lambda: False)
    monkeypatch.setattr(channel.qos, "can_consume_max_estimate", lambda: 0)

    poller._update_brpop_polling()
    poller.on_readable(fd)
    assert channel.taken == []
    assert store.size("q") == 2
    assert not channel.claimant.held


def test_a_reply_that_waits_is_not_taken_for_lost(channel, store):
    send(channel, 2)
    poller, fd = ask(channel)
    for _ in range(3):
        channel.claimant.look_after(store)

    poller.on_readable(fd)
    channel.claimant.look_after(store)
    assert len(channel.taken) == 2
    assert store.size("q") == 0


def test_a_reply_that_was_lost_is_given_back_at_the_second_look(channel, store):
    send(channel, 2)
    ask(channel)
    channel.close()
    for size in (0, 2):
        channel.claimant.look_after(store)
        assert store.size("q") == size


def test_a_reply_older_than_its_lease_is_not_used(channel, store, wait_until: Callable[..., None]):
    send(channel, 2)
    poller, fd = ask(channel)
    wait_until(lambda: store.reap()[0] == 2)

    with pytest.raises(Empty):
        poller.on_readable(fd)
    assert channel.taken == []
    assert store.size("q") == 2
