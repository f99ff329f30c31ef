"""Messages that are published together: all or none, once, in their order."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis
from kombu import Connection, Exchange, Producer, Queue
from kombu.utils.json import dumps
from redis import Redis

from flask_celeriac.transport.redis import urls
from flask_celeriac.transport.redis.replies import Claimed
from flask_celeriac.transport.redis.store import MessageStore

Claim = Callable[..., Claimed]
HUNDREDS = [b"%d" % number for number in range(1000)]


def bodies(found: Claimed) -> list[bytes]:
    return [delivery.body for delivery in found.deliveries]


def delayed(store: MessageStore) -> int:
    return int(store.client.zcard(f"{store.layout.namespace}delayed"))


@pytest.mark.parametrize("step", [0, 3, 9])
def test_they_are_claimed_in_the_order_in_which_they_were_given(
    store: MessageStore, claim: Claim, step: int
) -> None:
    store.publish("q", b"before", step=step)
    assert store.publish_many("q", HUNDREDS, step=step)
    assert bodies(claim(limit=1000)) == [b"before", *HUNDREDS[:-1]]


def test_one_message_may_be_published_so(store: MessageStore, claim: Claim) -> None:
    assert store.publish_many("q", [b"\x00\xff"])
    assert bodies(claim()) == [b"\x00\xff"]


def test_a_second_publish_with_the_same_token_adds_nothing(
    store: MessageStore, claim: Claim
) -> None:
    assert store.publish_many("q", [b"1", b"2"], token="t")
    assert not store.publish_many("q", [b"1", b"2"], token="t")
    assert not store.publish("q", b"1", token="t")
    assert store.publish_many("q", [b"3"], token="u")
    assert bodies(claim()) == [b"1", b"2", b"3"]


def test_a_token_is_forgotten_after_its_time(store: MessageStore) -> None:
    store.publish_many("q", [b"1"], token="t", token_s=5.0)
    assert 0 < store.client.pttl(f"{store.layout.namespace}token:t") <= 5000


def test_they_are_delayed_together(store: MessageStore, claim: Claim) -> None:
    assert store.publish_many("q", [b"1", b"2", b"3"], delay_s=60.0)
    found = claim()
    assert bodies(found) == []
    assert found.next_due_s == pytest.approx(60, abs=5)
    assert delayed(store) == 3


def test_who_waits_is_woken(store: MessageStore) -> None:
    store.publish_many("q", [b"1", b"2"])
    assert store.client.llen(store.layout.bell_key("q")) == 1


def test_it_is_one_command(store: MessageStore, client: Redis) -> None:
    store.publish_many("q", [b"0"])  # the server learns the script
    before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    store.publish_many("q", HUNDREDS[:500])
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == before + 1


def test_what_the_server_refuses_can_be_published_again(store: MessageStore, claim: Claim) -> None:
    key = store.layout.ready_key("q")
    store.client.set(key, "no list")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        store.publish_many("q", [b"1", b"2"], token="t")
    store.client.delete(key)
    assert store.publish_many("q", [b"1", b"2"], token="t")
    assert bodies(claim()) == [b"1", b"2"]


def test_an_envelope_is_the_message_that_kombu_would_publish(redis_url: str) -> None:
    urls.register()
    with Connection(urls.ours(redis_url)) as connection, Redis.from_url(redis_url) as client:
        channel: Any = connection.default_channel
        parts = {"content_type": "text/plain", "content_encoding": "utf-8", "headers": {"id": "1"}}
        Producer(connection).publish(b"letter", "post", priority=3, delivery_mode=2, **parts)
        body = channel.body_encoder()("letter")
        properties = {"delivery_mode": 2}
        made = channel.envelope(
            "post", body=body, delivery_tag="tag", priority=3, properties=properties, **parts
        )
        channel.put_encoded("post", [dumps(made).encode()], priority=3, eta=None, token="t")
        ours, theirs = map(json.loads, client.lrange("post\x06\x163", 0, -1))
    assert ours.pop("properties") == {**theirs.pop("properties"), "delivery_tag": "tag"}
    assert ours == theirs


def test_a_queue_is_declared_once_by_a_channel(redis_url: str) -> None:
    urls.register()
    queue = Queue("post", Exchange("letters"), routing_key="post")
    with Connection(urls.ours(redis_url)) as connection, Redis.from_url(redis_url) as client:
        channel: Any = connection.default_channel
        channel.declare_once(queue)
        assert client.exists("_kombu.binding.letters")
        client.flushdb()
        channel.declare_once(queue)
        assert not client.exists("_kombu.binding.letters")
