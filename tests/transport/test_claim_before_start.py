"""A task that waited for a thread of its worker while the worker was taken for dead."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery
from celery.worker import state
from redis import Redis

from flask_celeriac.execute.request import ClaimEndedError, Request
from flask_celeriac.transport.redis import urls
from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.store import MessageStore

PREFIX = "before-start:"


@pytest.fixture
def store(redis_url: str) -> Iterator[MessageStore]:
    with Redis.from_url(redis_url) as client:
        yield MessageStore(client, Layout(prefix=PREFIX))


@pytest.fixture
def lease_s() -> float:
    """Short, for those who wait for its end."""
    return 0.3


@pytest.fixture
def app(redis_url: str, lease_s: float) -> Celery:
    urls.register()
    options = {"global_keyprefix": PREFIX, "lease_s": lease_s, "renew_s": 60.0}
    app = Celery("shop", broker=urls.ours(redis_url), set_as_current=False)
    app.conf.broker_transport_options = options

    @app.task(name="pack", shared=False)
    def pack() -> None:
        pass

    return app


@pytest.fixture
def request_(app: Celery) -> Iterator[Any]:
    """A request for a task that was taken; its lease is renewed by nobody."""
    app.send_task("pack", queue="q")
    with app.connection_for_read() as connection:
        channel = connection.channel()
        message = channel.basic_get("q")
        request = Request(
            message,
            app=app,
            task=app.tasks["pack"],
            on_ack=lambda *_: message.ack(),
            on_reject=lambda _logger, _errors, requeue: message.reject(requeue=requeue),
        )
        state.task_reserved(request)
        yield request
        state.task_ready(request)


def accept(request: Any) -> list[BaseException]:
    """Let a thread of a pool begin; return what that raised."""
    errors: list[BaseException] = []

    def begin() -> None:
        try:
            request.on_accepted(os.getpid(), 0.0)
        except ClaimEndedError as error:
            errors.append(error)

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    return errors


@pytest.mark.parametrize("lease_s", [60.0])
def test_it_starts_while_the_lease_lasts(request_, store):
    request_.message.channel.claimant.look_after(store)
    assert accept(request_) == []
    assert request_ in state.active_requests


def test_it_does_not_start_after_the_lease(request_, store, wait_until: Callable[..., None]):
    claimant = request_.message.channel.claimant
    (number,) = claimant.held
    wait_until(lambda: not claimant.has(number))
    assert len(accept(request_)) == 1
    assert request_ not in state.reserved_requests
    assert store.size("q") == 1


def test_it_does_not_start_when_others_took_it_over(
    request_, store, wait_until: Callable[..., None]
):
    claimant = request_.message.channel.claimant
    wait_until(lambda: store.reap()[0] == 1)
    taken = store.claim("another", {"q": True}, 1, lease_s=60.0)
    assert len(taken.deliveries) == 1

    claimant.look_after(store)  # the process goes on, and renews its lease
    assert len(accept(request_)) == 1
    assert store.size("q") == 0
    assert store.renew("another", lease_s=60.0).numbers == {taken.deliveries[0].number}
