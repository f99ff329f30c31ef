"""Lost connections, servers that restart or stay away: no result is missed, no wait hangs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import pytest
import redis
from celery import Celery, states
from celery.exceptions import TimeoutError as CeleryTimeoutError
from redis.exceptions import ConnectionError as RedisConnectionError
from result_apps import channels

from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.record.subscription import Subscription
from flask_celeriac.record.urls import ours
from flask_celeriac.wake import Wake

Wait = Callable[..., None]


class Waiters:
    """Threads that each wait for one result."""

    def __init__(self, app: Celery, names: list[str]) -> None:
        self.got: dict[str, object] = {}
        self._app = app
        self._threads = [threading.Thread(target=self._wait, args=(name,)) for name in names]
        for thread in self._threads:
            thread.start()

    def _wait(self, name: str) -> None:
        self.got[name] = self._app.AsyncResult(name).get(timeout=40)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(40)


def app_on(server: EmbeddedServer) -> Celery:
    app = Celery("tests", set_as_current=False, broker=server.url, backend=ours(server.url))
    app.conf.result_backend_transport_options = {"retry_policy": {"max_retries": 50}}
    return app


def test_no_result_is_missed_when_connections_are_killed(
    app: Celery, client: redis.Redis, wait_until: Wait
) -> None:
    names = [f"k{n}" for n in range(30)]
    waiters = Waiters(app, names)
    wait_until(lambda: channels(client) == 30)
    for name in names:
        # The result is stored between the loss and the new subscription, or just around it.
        client.client_kill_filter(_type="pubsub")
        app.backend.store_result(name, name, states.SUCCESS)
    waiters.join()
    assert waiters.got == {name: name for name in names}


def test_a_result_stored_without_a_message_while_cut_off_is_found(
    app: Celery, client: redis.Redis, wait_until: Wait
) -> None:
    waiters = Waiters(app, ["a"])
    wait_until(lambda: channels(client) == 1)
    meta = app.backend.encode({"status": "SUCCESS", "result": 1, "task_id": "a"})
    with client.pipeline() as pipe:
        pipe.client_kill_filter(_type="pubsub")
        pipe.set("celery-task-meta-a", meta)
        pipe.execute()
    waiters.join()
    assert waiters.got == {"a": 1}


def test_no_result_is_missed_when_the_server_restarts(
    own_server: EmbeddedServer, wait_until: Wait
) -> None:
    app = app_on(own_server)
    names = [f"r{n}" for n in range(5)]
    waiters = Waiters(app, names)
    with redis.Redis.from_url(own_server.url) as client:
        wait_until(lambda: channels(client) == 5)
    app.backend.store_result("r0", "r0", states.SUCCESS)
    own_server.stop()
    own_server.start()
    for name in names[1:]:
        app.backend.store_result(name, name, states.SUCCESS)
    waiters.join()
    assert waiters.got == {name: name for name in names}


@pytest.mark.parametrize("timeout_s", [0, 0.1, 0.6])
def test_a_wait_ends_at_its_deadline_though_the_server_is_away(
    own_server: EmbeddedServer, timeout_s: float
) -> None:
    app = app_on(own_server)
    app.AsyncResult("a")
    own_server.stop()
    began = time.monotonic()
    with pytest.raises(CeleryTimeoutError):
        app.AsyncResult("a").get(timeout=timeout_s)
    assert time.monotonic() - began < timeout_s + 1


def test_a_wait_ends_at_its_deadline_though_the_server_hangs(
    own_server: EmbeddedServer, wait_until: Wait
) -> None:
    app = app_on(own_server)
    began = time.monotonic()
    with redis.Redis.from_url(own_server.url) as client:
        client.client_pause(1500)
        with pytest.raises(CeleryTimeoutError):
            app.AsyncResult("a").get(timeout=0.5)
    assert time.monotonic() - began < 1.4


def test_a_connection_that_was_made_anew_by_itself_is_left(client: redis.Redis) -> None:
    wake = Wake()
    with contextlib.closing(wake), contextlib.closing(Subscription(client, wake)) as subscription:
        subscription.change(add={b"a"}, drop=set())
        assert subscription.wait(5)
        subscription._connection.disconnect()
        assert not subscription._connection.can_read(timeout=0)
        assert subscription._connection._sock is not None
        with pytest.raises(RedisConnectionError):
            subscription.wait(0)
        with pytest.raises(RedisConnectionError):
            subscription.change(add={b"b"}, drop=set())


def test_a_silent_server_is_left(
    app: Celery, client: redis.Redis, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_celeriac.record.subscription.PING_S", -1.0)
    monkeypatch.setattr("flask_celeriac.record.subscription.ANSWER_S", 0.0)
    waiters = Waiters(app, ["a"])
    wait_until(lambda: channels(client) == 1)
    listener = app.backend.result_consumer.registry.listener
    lost: list[Exception] = []
    pause = listener._pause
    monkeypatch.setattr(listener, "_pause", lambda error: (lost.append(error), pause(error)))
    # Again, where the first one only held up the first look at the key.
    wait_until(lambda: client.client_pause(1500) and lost)
    monkeypatch.undo()
    app.backend.store_result("a", 1, states.SUCCESS)
    waiters.join()
    assert waiters.got == {"a": 1}
