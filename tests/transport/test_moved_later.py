"""A message that is rejected while the broker does not answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Queue
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from flask_celeriac.transport.redis import urls
from flask_celeriac.transport.redis.claimant import Claimant
from flask_celeriac.transport.redis.claimants import all_kept
from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.store import MessageStore

PREFIX = "moved-later:"


@pytest.fixture
def store(redis_url: str) -> Iterator[MessageStore]:
    with Redis.from_url(redis_url) as client:
        yield MessageStore(client, Layout(prefix=PREFIX))


@pytest.fixture
def message(redis_url: str) -> Iterator[Any]:
    """A message that was taken, of a channel that is closed already."""
    urls.register()
    options = {"global_keyprefix": PREFIX, "renew_s": 60.0}
    with Connection(urls.ours(redis_url), transport_options=options) as connection:
        channel = connection.channel()
        connection.Producer(channel).publish({}, routing_key="q", declare=[Queue("q")])
        message = channel.basic_get("q")
        channel.claimant.is_lasting = True
        channel.close()
        yield message


@pytest.fixture
def claimant(message: Any, monkeypatch: pytest.MonkeyPatch) -> Claimant:
    """Its claimant, to which the server does not answer."""

    def fail(*_: Any, **__: Any) -> None:
        raise RedisConnectionError("no answer")

    claimant: Claimant = message.channel.claimant
    for kept in all_kept():
        if kept.claimant is claimant:
            # It looks as soon as its thread begins, and would move what is owed.
            kept.keeper.stop()
    for name in ("give_back", "reject", "crash", "park"):
        monkeypatch.setattr(claimant.store, name, fail)
    return claimant


def gone_back(store: MessageStore) -> bool:
    return store.size("q") == 1


def is_dead(store: MessageStore) -> bool:
    return store.count_dead() == 1


def is_parked(store: MessageStore) -> bool:
    return store.parked() == {"shop.pack": 1}


@pytest.mark.parametrize(
    ("act", "has_moved"),
    [
        (lambda m: m.channel.qos.reject(m.delivery_tag, requeue=True), gone_back),
        (lambda m: m.channel.qos.reject(m.delivery_tag), is_dead),
        (lambda m: m.channel.crash(m.delivery_tag), gone_back),
        (lambda m: m.channel.park(m.delivery_tag, "shop.pack"), is_parked),
    ],
    ids=["requeued", "rejected", "crashed", "parked"],
)
def test_it_is_moved_as_soon_as_the_broker_answers(
    message: Any,
    claimant: Claimant,
    store: MessageStore,
    act: Callable[[Any], None],
    has_moved: Callable[[MessageStore], bool],
) -> None:
    act(message)
    assert not has_moved(store)
    assert not claimant.held  # nobody gives it back meanwhile

    claimant.look_after(store)
    assert has_moved(store)
    assert not claimant.look_after(store).numbers
