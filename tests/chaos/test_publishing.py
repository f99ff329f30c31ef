"""P10: an ambiguous publish is not doubled, and ends within 2 s."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from application import create_app, work
from celery import group
from flask import Flask
from fleet import wait_until
from kombu.exceptions import OperationalError
from scene import Scene

from proxy import Proxy

_WITHIN_S = 2.5


@pytest.fixture
def web(scene: Scene, proxy: Proxy) -> Iterator[Flask]:
    """An app that publishes by way of the proxy, and is warm."""
    app = create_app(proxy.url(scene.server.url), **scene.config)
    scene.send("work", app=app)
    scene.store.purge("celery")
    yield app
    app.extensions["celery"].close()


def timed(send: Callable[[], str]) -> str | None:
    """Send within the time that a request has; None when that raised."""
    before_s = time.monotonic()
    try:
        id_ = send()
    except OperationalError:
        id_ = None
    assert time.monotonic() - before_s < _WITHIN_S
    return id_


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "silent"])
def test_a_publish_whose_reply_is_lost_is_one_message(
    scene: Scene, proxy: Proxy, web: Flask, is_cut: bool
) -> None:
    ids = [f"{is_cut}-{number}" for number in range(5)]
    for id_ in ids:
        proxy.lose_reply(b"EVALSHA", is_cut=is_cut)
        timed(lambda id_=id_: scene.send("work", app=web, task_id=id_))
    assert proxy.lost == 5
    assert scene.store.size("celery") == 5
    scene.fleet.ready()
    counts = scene.sum_up(f"reply lost, {'cut' if is_cut else 'silent'}", ids)
    assert not counts.faults
    assert counts.repeated == 0


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "silent"])
def test_a_batch_whose_reply_is_lost_is_sent_once(
    scene: Scene, proxy: Proxy, web: Flask, is_cut: bool
) -> None:
    with web.app_context():
        proxy.lose_reply(b"EVALSHA", is_cut=is_cut)
        many = work.enqueue_many([((), {})] * 30)
        proxy.lose_reply(b"EVALSHA", is_cut=is_cut)
        members = group(work.si() for _ in range(30)).delay()
    ids = [*many.ids, *(member.id for member in members)]
    assert proxy.lost == 2
    assert scene.store.size("celery") == 60
    scene.fleet.ready()
    counts = scene.sum_up(f"reply to a batch lost, {'cut' if is_cut else 'silent'}", ids)
    assert not counts.faults
    assert counts.repeated == 0


def test_a_stalled_broker_holds_up_no_request_and_doubles_nothing(
    scene: Scene, proxy: Proxy, web: Flask
) -> None:
    proxy.stall()
    assert timed(lambda: scene.send("work", app=web, task_id="stalled")) is None
    proxy.go_on()
    timed(lambda: scene.send("work", app=web, task_id="after"))
    # What was sent into the stall arrives now, once, or never did.
    scene.fleet.ready()
    counts = scene.sum_up("stalled broker", ["after"])
    assert not counts.faults
    wait_until(lambda: scene.store.size("celery") == 0, 10)
    assert len(scene.ledger.of("stalled")) <= 1


def test_a_dead_broker_holds_up_no_request(scene: Scene) -> None:
    scene.send("work")
    scene.store.purge("celery")
    scene.kill_server()
    for number in range(3):
        assert timed(lambda number=number: scene.send("work", task_id=f"dead-{number}")) is None
    scene.restart_server()
    id_ = timed(lambda: scene.send("work"))
    assert id_ is not None
    scene.fleet.ready()
    assert not scene.sum_up("dead broker", [id_]).faults


def test_retries_reused_ids_and_replays_are_always_published(scene: Scene) -> None:
    scene.fleet.ready(slots=1)
    stubborn = scene.send("stubborn", 3)
    again = [scene.send("work", task_id="again") for _ in range(3)]
    wait_until(lambda: stubborn in scene.ledger.ended(), 30, scene.logs)
    wait_until(lambda: len(scene.ledger.of("again")) == 3, 30, scene.logs)
    assert len(scene.ledger.of(stubborn)) == 4
    assert again == ["again"] * 3
