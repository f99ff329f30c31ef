"""A late run of a worker that was declared dead stores nothing."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from celery import states
from celery.app.task import Context
from result_apps import MakeApp

from flask_celeriac.record.fence import claim_of, is_one_database
from flask_celeriac.transport.redis.keys import claims_key

CLAIMS = claims_key("", "one-1.x")


def run(tag: Any = "one-1.x/7", **names: Any) -> Context:
    return Context(id="a", task="add", properties={"delivery_tag": tag}, **names)


def test_a_run_with_its_claim_stores_its_result(make_app: MakeApp, client: redis.Redis) -> None:
    client.hset(CLAIMS, "7", "x")
    app = make_app()
    for state in (states.STARTED, states.RETRY, states.SUCCESS):
        value = ValueError("again") if state == states.RETRY else 1
        app.backend.store_result("a", value, state, request=run())
        assert app.AsyncResult("a").state == state


@pytest.mark.parametrize("state", [states.STARTED, states.RETRY, states.SUCCESS, states.FAILURE])
def test_a_late_run_stores_and_tells_nothing(
    make_app: MakeApp, client: redis.Redis, caplog: pytest.LogCaptureFixture, state: str
) -> None:
    client.hset(CLAIMS, "8", "x")
    app = make_app()
    value = 1 if state in (states.STARTED, states.SUCCESS) else ValueError("x")
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("celery-task-meta-a")
        app.backend.store_result("a", value, state, request=run())
        app.backend.store_result("b", 1, states.SUCCESS)
        assert pubsub.get_message(timeout=0.1) is None
        assert pubsub.get_message(timeout=0.1) is None
    assert client.exists("celery-task-meta-a") == 0
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "add[a]" in record.getMessage()
    assert "late run of a worker that was declared dead" in record.getMessage()


def test_a_late_run_does_not_overwrite_what_the_other_one_brought(
    make_app: MakeApp, client: redis.Redis
) -> None:
    client.hset(claims_key("", "two"), "1", "x")
    app = make_app()
    app.backend.store_result("a", ValueError("x"), states.FAILURE, request=run("two/1"))
    app.backend.store_result("a", "late", states.SUCCESS, request=run())
    assert app.AsyncResult("a").state == states.FAILURE


def test_a_fenced_store_is_one_round_trip(make_app: MakeApp, client: redis.Redis) -> None:
    client.hset(CLAIMS, "7", "x")
    app = make_app()
    app.backend.store_result("warm", 1, states.SUCCESS, request=run())
    client.config_resetstat()
    app.backend.store_result("a", 1, states.SUCCESS, request=run())
    stats = client.info("commandstats")
    called = {name for name in stats if name not in ("cmdstat_config|resetstat", "cmdstat_info")}
    assert called == {
        f"cmdstat_{name}" for name in ("evalsha", "hexists", "getrange", "setex", "publish")
    }


def test_a_task_that_is_acknowledged_when_it_starts_has_no_claim_to_lose(
    make_app: MakeApp, client: redis.Redis
) -> None:
    app = make_app()

    @app.task(name="add", acks_late=False, shared=False)
    def add() -> None: ...

    app.finalize()
    app.backend.store_result("a", 1, states.SUCCESS, request=run())
    assert app.AsyncResult("a").get(timeout=5) == 1
    assert not app.backend.is_late(run())
    add.acks_late = True
    assert app.backend.is_late(run())


def test_what_a_late_run_stores_for_others_is_left_out_too(
    make_app: MakeApp, client: redis.Redis
) -> None:
    app = make_app()

    @app.task(name="late", bind=True, shared=False)
    def late(self: Any) -> None:
        self.backend.store_result("next-in-chain", 1, states.SUCCESS)

    from celery._state import _task_stack

    late.push_request(id="a", called_directly=False, properties={"delivery_tag": "one-1.x/7"})
    _task_stack.push(late)
    try:
        late.run()
    finally:
        _task_stack.pop()
        late.pop_request()
    assert client.exists("celery-task-meta-next-in-chain") == 0


def test_a_late_run_is_not_counted_in_its_chord(make_app: MakeApp, client: redis.Redis) -> None:
    app = make_app()
    app.backend.set_chord_size("g", 2)
    request = run(group="g", group_index=0, chord={"task": "body"})
    app.backend.on_chord_part_return(request, states.SUCCESS, 1)
    assert client.exists("celery-taskset-meta-g.j") == 0
    client.hset(CLAIMS, "7", "x")
    app.backend.on_chord_part_return(request, states.SUCCESS, 1)
    assert client.exists("celery-taskset-meta-g.j") == 1


def test_the_broker_s_key_prefix_is_used(make_app: MakeApp, client: redis.Redis) -> None:
    client.hset(claims_key("shop:", "one-1.x"), "7", "x")
    app = make_app(broker_transport_options={"global_keyprefix": "shop:"})
    app.backend.store_result("a", 1, states.SUCCESS, request=run())
    assert app.AsyncResult("a").state == states.SUCCESS


def test_without_a_broker_in_the_same_database_nothing_is_checked(make_app: MakeApp) -> None:
    app = make_app(broker_url="redis://127.0.0.1:1/0")
    app.backend.store_result("a", 1, states.SUCCESS, request=run())
    assert app.AsyncResult("a").get(timeout=5) == 1


@pytest.mark.parametrize("tag", [None, 7, "", "uuid-like", "a/b", "a/1/2", "a b/1", "/1", "a/"])
def test_tags_of_other_transports_are_no_claims(tag: object) -> None:
    assert claim_of(run(tag), "") is None
    assert claim_of(None, "") is None
    assert claim_of(SimpleNamespace(), "") is None


TCP = {"host": "h", "port": 6379, "db": 0}
SOCKET = {"path": "/run/r.sock", "db": 2}
SENTINEL = {"hosts": [{"host": "a", "port": 1}, {"host": "b", "port": 2}], "db": 3}


@pytest.mark.parametrize(
    ("broker", "params", "is_one"),
    [
        ("redis://h", TCP, True),
        ("redis://:secret@H:6379//", TCP, True),
        ("celeriac-redis://h/0?health_check_interval=1", TCP, True),
        ("rediss://h", TCP, True),
        ("redis://h/1", TCP, False),
        ("redis://h:6380", TCP, False),
        ("redis://other", TCP, False),
        ("redis://h;redis://other", TCP, False),
        (["redis://h", "redis://other"], TCP, False),
        ("amqp://h", TCP, False),
        ("memory://", TCP, False),
        (None, TCP, False),
        ("redis+socket:///run/r.sock?virtual_host=2", SOCKET, True),
        ("celeriac-socket:///run/r.sock?virtual_host=2", SOCKET, True),
        ("redis+socket:///run/r.sock", SOCKET, False),
        ("redis://h", SOCKET, False),
        ("sentinel://b:2/3;sentinel://a:1/3", SENTINEL, True),
        ("celeriac-sentinel://a:1/3;celeriac-sentinel://b:2/3", SENTINEL, True),
        ("sentinel://a:1/3", SENTINEL, False),
        ("sentinel://b:2/4;sentinel://a:1/4", SENTINEL, False),
        ("redis://a:1", SENTINEL, False),
    ],
)
def test_one_database_is_told_from_two(broker: Any, params: dict[str, Any], is_one: bool) -> None:
    options = {"master_name": "m"}
    conf = SimpleNamespace(
        broker_read_url=broker,
        broker_transport_options=options,
        result_backend_transport_options=options,
    )
    assert is_one_database(conf, params) is is_one


def test_two_masters_of_one_set_of_sentinels_are_two_databases() -> None:
    conf = SimpleNamespace(
        broker_read_url="sentinel://b:2/3;sentinel://a:1/3",
        broker_transport_options={"master_name": "m"},
        result_backend_transport_options={"master_name": "n"},
    )
    assert not is_one_database(conf, SENTINEL)
