"""One listening thread and one connection, for whoever waits."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from celery import Celery, group, states
from celery.exceptions import TimeoutError as CeleryTimeoutError
from celery.result import GroupResult
from result_apps import MakeApp, channels, listening

Wait = Callable[..., None]


def waiting(app: Celery) -> int:
    return len(app.backend.result_consumer.registry)


def test_an_app_has_one_backend_for_all_threads(app: Celery) -> None:
    seen: list[Any] = []
    threads = [threading.Thread(target=lambda: seen.append(app.backend)) for _ in range(3)]
    for thread in threads:
        thread.start()
        thread.join()
    assert all(backend is app.backend for backend in seen)


def test_two_hundred_threads_wait_on_one_connection(
    make_app: MakeApp, client: redis.Redis, wait_until: Wait
) -> None:
    apps = [make_app(), make_app()]
    got: dict[int, int] = {}

    def wait(n: int) -> None:
        got[n] = apps[n % 2].AsyncResult(f"t{n}").get(timeout=30)

    threads = [threading.Thread(target=wait, args=(n,)) for n in range(200)]
    for thread in threads:
        thread.start()
    wait_until(lambda: channels(client) == 200)
    assert listening(client) == 1
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("celeriac-results") >= 1
    for n in range(200):
        apps[n % 2].backend.store_result(f"t{n}", n, states.SUCCESS)
    for thread in threads:
        thread.join(30)
    assert got == {n: n for n in range(200)}
    wait_until(lambda: channels(client) == 0)
    assert [waiting(app) for app in apps] == [0, 0]


@pytest.mark.parametrize("sent_ago_s", [-0.01, 0.0, 0.0004, 0.001, 1000.0])
def test_a_result_that_was_there_before_anybody_listened_is_read(
    make_app: MakeApp, sent_ago_s: float
) -> None:
    app = make_app()
    for n in range(20):
        app.backend.store_result(f"t{n}", n, states.SUCCESS)
        result = app.AsyncResult(f"t{n}")
        result.sent_at_s = time.monotonic() - sent_ago_s
        assert result.get(timeout=10) == n
    assert waiting(app) == 0


def test_tasks_that_nobody_waits_for_subscribe_to_nothing(app: Celery, client: redis.Redis) -> None:
    @app.task(name="noop", shared=False)
    def noop() -> None: ...

    before = client.info("commandstats")
    noop.delay()
    result = group(noop.s() for _ in range(5)).apply_async()
    after = client.info("commandstats")
    assert len(result.results) == 5
    assert "cmdstat_subscribe" not in set(after) - set(before)
    assert after.get("cmdstat_subscribe") == before.get("cmdstat_subscribe")
    assert listening(client) == 0


def test_nothing_is_left_after_ten_thousand_results(
    app: Celery, client: redis.Redis, wait_until: Wait
) -> None:
    with client.pipeline(transaction=False) as pipe:
        for n in range(10_000):
            value = app.backend.encode({"status": "SUCCESS", "result": n, "task_id": f"m{n}"})
            pipe.set(f"celery-task-meta-m{n}", value)
        pipe.execute()
    results = [app.AsyncResult(f"m{n}") for n in range(10_000)]
    assert GroupResult("m", results, app=app).get(timeout=60) == list(range(10_000))
    del results
    gc.collect()
    registry = app.backend.result_consumer.registry
    wait_until(lambda: channels(client) == 0)
    assert len(registry) == 0
    assert len(registry.listener._audience) == 0
    assert registry.listener._audience._unread == []


def test_a_wait_that_timed_out_listens_no_longer(
    app: Celery, client: redis.Redis, wait_until: Wait
) -> None:
    result = app.AsyncResult("a")
    with pytest.raises(CeleryTimeoutError):
        result.get(timeout=0.3)
    assert waiting(app) == 0
    wait_until(lambda: channels(client) == 0)


def test_one_that_gives_up_does_not_end_the_wait_of_another(
    app: Celery, client: redis.Redis, wait_until: Wait
) -> None:
    got: list[int] = []
    result = app.AsyncResult("a")
    thread = threading.Thread(target=lambda: got.append(result.get(timeout=20)))
    thread.start()
    wait_until(lambda: channels(client) == 1)
    for other in (result, app.AsyncResult("a")):
        with pytest.raises(CeleryTimeoutError):
            other.get(timeout=0.3)
    app.backend.store_result("a", 1, states.SUCCESS)
    thread.join(20)
    assert got == [1]


def test_callbacks_come_though_nobody_waits(app: Celery, wait_until: Wait) -> None:
    got: list[Any] = []
    app.AsyncResult("a").then(lambda result: got.append(result.result))
    app.backend.store_result("a", 1, states.SUCCESS)
    wait_until(lambda: got == [1])
    wait_until(lambda: waiting(app) == 0)


def test_a_callback_may_wait_for_another_result(app: Celery, wait_until: Wait) -> None:
    got: list[Any] = []
    app.AsyncResult("a").then(lambda _: got.append(app.AsyncResult("b").get(timeout=10)))
    app.backend.store_result("a", 1, states.SUCCESS)
    app.backend.store_result("b", 2, states.SUCCESS)
    wait_until(lambda: got == [2])


def test_a_callback_that_fails_disturbs_nobody(app: Celery, wait_until: Wait) -> None:
    got: list[Any] = []
    app.AsyncResult("a").then(lambda _: 1 / 0)
    app.AsyncResult("b").then(lambda _: got.append(2))
    app.backend.store_result("a", 1, states.SUCCESS)
    app.backend.store_result("b", 2, states.SUCCESS)
    wait_until(lambda: got == [2])


def test_what_can_not_be_read_fails_the_wait_for_it_only(app: Celery, client: redis.Redis) -> None:
    client.set("celery-task-meta-a", b"{no json")
    with pytest.raises(Exception, match="Expecting property name"):
        app.AsyncResult("a").get(timeout=5)
    app.backend.store_result("b", 2, states.SUCCESS)
    assert app.AsyncResult("b").get(timeout=5) == 2
    assert waiting(app) == 0


def test_what_could_not_be_read_before_somebody_waited_fails_the_wait(
    app: Celery, client: redis.Redis, wait_until: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    result = app.AsyncResult("unread")
    result.then(lambda _: None)
    channel = "celery-task-meta-unread"
    wait_until(lambda: client.pubsub_numsub(channel)[0][1] == 1)
    client.publish(channel, b"{no json")
    wait_until(lambda: "A callback of the result of task unread failed" in caplog.text)
    with pytest.raises(Exception, match="Expecting property name"):
        result.get(timeout=5)
    app.backend.remove_pending_result(result)


def test_threads_that_begin_to_wait_at_the_same_time_share_a_registry(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flask_celeriac.record import registry

    shared = registry.shared_listener

    def share_slowly(backend: Any) -> Any:
        time.sleep(0.05)
        return shared(backend)

    monkeypatch.setattr(registry, "shared_listener", share_slowly)
    consumer = app.backend.result_consumer
    seen: list[Any] = []
    threads = [threading.Thread(target=lambda: seen.append(consumer.registry)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {id(each) for each in seen} == {id(consumer.registry)}


def test_the_thread_ends_when_nobody_has_waited_for_long(
    app: Celery, client: redis.Redis, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_celeriac.record.listener.IDLE_S", 0.1)
    listener = app.backend.result_consumer.registry.listener
    for n in range(2):
        app.backend.store_result(f"a{n}", n, states.SUCCESS)
        assert app.AsyncResult(f"a{n}").get(timeout=5) == n
        wait_until(lambda: not listener.is_running)
        wait_until(lambda: listening(client) == 0)


def test_who_comes_while_the_thread_ends_loses_no_connection(
    app: Celery, client: redis.Redis, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = app.backend.result_consumer.registry.listener
    pool = listener._client.connection_pool
    disconnect, pause = pool.disconnect, listener._pause
    lost: list[Exception] = []
    got: list[Any] = []
    ended = threading.Event()
    thread = threading.Thread(target=lambda: got.append(app.AsyncResult("b").get(timeout=20)))

    def disconnect_late(**options: Any) -> None:
        monkeypatch.undo()
        monkeypatch.setattr(listener, "_pause", lambda error: (lost.append(error), pause(error)))
        thread.start()
        wait_until(lambda: channels(client) == 1)
        disconnect(**options)
        ended.set()

    monkeypatch.setattr("flask_celeriac.record.listener.IDLE_S", 0.1)
    monkeypatch.setattr(pool, "disconnect", disconnect_late)
    app.backend.store_result("a", 1, states.SUCCESS)
    assert app.AsyncResult("a").get(timeout=5) == 1
    assert ended.wait(20)
    wait_until(lambda: channels(client) == 1)
    app.backend.store_result("b", 2, states.SUCCESS)
    thread.join(20)
    assert (got, lost) == ([2], [])


@pytest.mark.parametrize(("reader", "writer"), [("stock", "ours"), ("ours", "stock")])
def test_either_backend_awaits_what_the_other_stores(
    make_app: MakeApp, client: redis.Redis, wait_until: Wait, reader: str, writer: str
) -> None:
    reading, writing = make_app(reader), make_app(writer)
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(reading.AsyncResult("x").get(timeout=20)))
    thread.start()
    wait_until(lambda: client.pubsub_channels("celery-task-meta-x"))
    writing.backend.store_result("x", {"by": writer}, states.SUCCESS)
    thread.join(20)
    assert got == [{"by": writer}]
    assert writing.AsyncResult("x").get(timeout=5) == {"by": writer}
