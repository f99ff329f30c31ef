"""A connection for scripts that stays taken: it survives what redis-py's clients survive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection
from redis import Connection as RedisConnection
from redis import ConnectionPool, Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from flask_celeriac.transport.redis import line as line_module
from flask_celeriac.transport.redis import urls
from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.line import Line
from flask_celeriac.transport.redis.store import MessageStore


@pytest.fixture
def pool(redis_url: str) -> Iterator[ConnectionPool]:
    pool = ConnectionPool.from_url(redis_url)
    yield pool
    pool.disconnect()


@pytest.fixture
def line(pool: ConnectionPool) -> Line:
    return Line(Redis(connection_pool=pool))


@pytest.fixture
def store(pool: ConnectionPool, line: Line) -> MessageStore:
    return MessageStore(Redis(connection_pool=pool), Layout(), line)


def test_it_runs_scripts(store: MessageStore) -> None:
    assert store.publish("q", b"one", token="t") is True
    assert store.publish("q", b"one", token="t") is False
    assert store.size("q") == 1


def test_a_server_that_forgot_the_scripts_is_told_them(store: MessageStore) -> None:
    store.publish("q", b"one")
    store.client.script_flush()
    assert store.publish("q", b"two") is True
    assert store.size("q") == 2


def test_a_connection_that_was_cut_is_made_anew(store: MessageStore) -> None:
    store.publish("q", b"one")
    store.client.client_kill_filter(_type="normal", skipme=True)
    assert store.publish("q", b"two", token="t") is True
    assert store.size("q") == 2


def test_it_asks_anew_where_the_server_is(redis_url: str) -> None:
    asked: list[bool] = []

    class Moving(RedisConnection):
        """As one behind Sentinels: `connect` alone finds the primary."""

        def connect(self) -> None:
            asked.append(self._sock is None)
            super().connect()

    pool = ConnectionPool.from_url(redis_url, connection_class=Moving)
    client = Redis(connection_pool=pool)
    store = MessageStore(client, Layout(), Line(client))
    store.publish("q", b"one")
    before = asked.count(True)
    client.client_kill_filter(_type="normal", skipme=True)
    assert store.publish("q", b"two", token="t") is True
    assert asked.count(True) > before
    pool.disconnect()


def test_who_is_interrupted_leaves_no_reply_to_the_next(
    store: MessageStore, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.publish("q", b"one", token="t")
    connection: Any = line._connection
    read = connection.read_response

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(connection, "read_response", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.publish("q", b"one", token="t")  # 0: was there before
    monkeypatch.setattr(connection, "read_response", read)
    assert store.publish("q", b"two", token="u") is True


def test_a_forked_child_has_a_connection_of_its_own(store: MessageStore) -> None:
    store.publish("q", b"one")
    child = os.fork()
    if not child:
        is_sent = all(store.publish("q", b"child") for _ in range(100))
        os._exit(not is_sent)
    assert all(store.publish("q", b"parent") for _ in range(100))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.size("q") == 201


def test_an_end_is_not_sent_twice_unknown_to_who_sends_it(store: MessageStore) -> None:
    store.publish("q", b"one")
    claimed = store.claim("me", {"q": True}, 1, lease_s=60).deliveries[0]
    assert store.finish("nobody", [(1, None)]) == [0]
    store.client.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(RedisConnectionError):
        store.finish("me", [(claimed.number, None)])
    assert store.finish("me", [(claimed.number, None)]) == [1]


def test_a_channel_has_one_for_each_pool(redis_url: str) -> None:
    urls.register()
    with Connection(urls.ours(redis_url)) as connection:
        channel: Any = connection.channel()
        first = channel._publisher
        assert channel._publisher is first
        assert first is not channel.store
        channel.close()
        again: Any = connection.channel()
        assert again._publisher is not first
        again.put_encoded("q", [b"x"], priority=None, eta=None, token="t")
        assert again.store.size("q") == 1


def test_a_tracer_of_redis_sees_every_command(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    execute = Redis.execute_command

    def traced(self: Any, *args: Any, **options: Any) -> Any:
        seen.append(args[0])
        return execute(self, *args, **options)

    monkeypatch.setattr(Redis, "execute_command", traced)
    assert line_module.is_watched()
    urls.register()
    with Connection(urls.ours(redis_url)) as connection:
        channel: Any = connection.channel()
        channel.put_encoded("q", [b"x"], priority=None, eta=None, token="t")
    assert {"EVALSHA"} <= set(seen)
