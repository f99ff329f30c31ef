"""What must be the same in Celery's backend and in ours."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import redis
from celery import Celery, states
from celery.app.task import Context
from celery.exceptions import TimeoutError as CeleryTimeoutError
from celery.result import GroupResult, ResultSet
from result_apps import MakeApp


@pytest.fixture
def app(make_app: MakeApp, kind: str) -> Celery:
    return make_app(kind)


def store(app: Celery, task_id: str, value: Any = 1, state: str = states.SUCCESS) -> None:
    app.backend.store_result(task_id, value, state)


def soon(action: Any, *args: Any) -> threading.Timer:
    timer = threading.Timer(0.1, action, args)
    timer.start()
    return timer


def test_a_result_that_is_there_is_given(app: Celery) -> None:
    store(app, "a", {"n": 1})
    assert app.AsyncResult("a").get(timeout=5) == {"n": 1}


def test_a_result_that_comes_later_is_given(app: Celery) -> None:
    timer = soon(store, app, "a", 7)
    assert app.AsyncResult("a").get(timeout=5) == 7
    timer.join()


def test_a_failure_is_raised_or_given(app: Celery) -> None:
    store(app, "a", ValueError("no"), states.FAILURE)
    with pytest.raises(ValueError, match="no"):
        app.AsyncResult("a").get(timeout=5)
    assert isinstance(app.AsyncResult("a").get(timeout=5, propagate=False), ValueError)


def test_a_retry_is_not_yet_a_result(app: Celery) -> None:
    store(app, "a", ValueError("again"), states.RETRY)
    with pytest.raises(CeleryTimeoutError):
        app.AsyncResult("a").get(timeout=0.3)


@pytest.mark.parametrize("timeout_s", [0, 0.01, 0.4])
def test_waiting_ends_at_its_deadline(app: Celery, timeout_s: float) -> None:
    with pytest.raises(CeleryTimeoutError):
        app.AsyncResult("a").get(timeout=timeout_s)


@pytest.mark.parametrize("timeout_s", [0, 0.001])
def test_a_result_that_is_there_is_given_however_short_the_wait(
    app: Celery, timeout_s: float
) -> None:
    store(app, "a", 3)
    assert app.AsyncResult("a").get(timeout=timeout_s) == 3


def test_states_on_the_way_are_told_to_on_message(app: Celery) -> None:
    seen: list[str] = []

    def work() -> None:
        store(app, "a", {"done": 1}, "PROGRESS")
        store(app, "a", 2)

    timer = soon(work)
    result = app.AsyncResult("a")
    result.backend.on_task_call(None, "a")
    result.get(timeout=5, on_message=lambda meta: seen.append(meta["status"]))
    timer.join()
    assert seen == ["PROGRESS", "SUCCESS"]


def test_a_callback_gets_the_result(app: Celery) -> None:
    store(app, "a", 5)
    got: list[Any] = []
    assert app.AsyncResult("a").get(timeout=5, callback=lambda *args: got.append(args)) == 5
    assert got == [("a", 5)]


def test_a_callback_given_by_then_is_called_once_when_the_result_was_awaited(app: Celery) -> None:
    got: list[Any] = []
    result = app.AsyncResult("a")
    result.then(lambda ready: got.append(ready.result))
    timer = soon(store, app, "a", 5)
    result.get(timeout=5)
    timer.join()
    assert got == [5]


def test_a_group_is_given_in_its_order(app: Celery) -> None:
    results = [app.AsyncResult(f"g{n}") for n in range(4)]
    group = GroupResult("g", results, app=app)
    for n in (2, 0):
        store(app, f"g{n}", n)
    timers = [soon(store, app, f"g{n}", n) for n in (3, 1)]
    assert group.get(timeout=5) == [0, 1, 2, 3]
    for timer in timers:
        timer.join()
    assert group.ready()
    assert group.successful()


def test_joining_natively_raises_what_a_member_raised(app: Celery) -> None:
    store(app, "g0", 0)
    store(app, "g1", KeyError("x"), states.FAILURE)
    group = ResultSet([app.AsyncResult("g0"), app.AsyncResult("g1")], app=app)
    with pytest.raises(KeyError):
        group.join_native(timeout=5)


def test_joining_natively_ends_at_its_deadline(app: Celery) -> None:
    store(app, "g0", 0)
    group = ResultSet([app.AsyncResult("g0"), app.AsyncResult("g1")], app=app)
    with pytest.raises(CeleryTimeoutError):
        group.join_native(timeout=0.3)


def test_joining_natively_tells_each_member_to_the_callback(app: Celery) -> None:
    for n in range(3):
        store(app, f"g{n}", n)
    got: dict[str, int] = {}
    group = ResultSet([app.AsyncResult(f"g{n}") for n in range(3)], app=app)
    assert group.join_native(timeout=5, callback=got.__setitem__) is None
    assert got == {"g0": 0, "g1": 1, "g2": 2}


def test_iterating_natively_gives_ids_and_metas(app: Celery) -> None:
    for n in range(3):
        store(app, f"g{n}", n)
    group = ResultSet([app.AsyncResult(f"g{n}") for n in range(3)], app=app)
    metas = dict(group.iter_native(timeout=5))
    assert {name: meta["result"] for name, meta in metas.items()} == {"g0": 0, "g1": 1, "g2": 2}


def test_a_saved_group_is_restored(app: Celery) -> None:
    GroupResult("g", [app.AsyncResult("g0")], app=app).save()
    store(app, "g0", 4)
    restored = GroupResult.restore("g", app=app)
    assert restored.get(timeout=5) == [4]


def test_a_set_within_a_set_is_given_as_a_list(app: Celery) -> None:
    for n in range(3):
        store(app, f"g{n}", n)
    inner = GroupResult("i", [app.AsyncResult("g1"), app.AsyncResult("g2")], app=app)
    outer = GroupResult("o", [app.AsyncResult("g0"), inner], app=app)
    assert outer.get(timeout=5) == [0, [1, 2]]


def test_collecting_follows_children(app: Celery) -> None:
    request = Context(id="a")
    request.children.append(app.AsyncResult("b"))
    app.backend.store_result("b", 2, states.SUCCESS)
    app.backend.store_result("a", 1, states.SUCCESS, request=request)
    result = app.AsyncResult("a")
    assert result.get(timeout=5) == 1
    assert [value for _, value in result.collect(timeout=5)] == [1, 2]


def test_what_is_forgotten_is_gone(app: Celery, client: redis.Redis) -> None:
    store(app, "a")
    result = app.AsyncResult("a")
    result.get(timeout=5)
    result.forget()
    assert client.exists("celery-task-meta-a") == 0
    assert app.AsyncResult("a").state == states.PENDING


def test_a_success_is_not_overwritten(app: Celery) -> None:
    store(app, "a", 1)
    store(app, "a", None, states.STARTED)
    store(app, "a", ValueError("late"), states.FAILURE)
    assert app.AsyncResult("a").get(timeout=5) == 1


def test_a_failure_is_overwritten(app: Celery) -> None:
    store(app, "a", ValueError("first"), states.FAILURE)
    store(app, "a", 2)
    assert app.AsyncResult("a").get(timeout=5) == 2


@pytest.mark.parametrize(
    ("conf", "state", "least_s", "most_s"),
    [
        ({"result_expires": 100}, states.SUCCESS, 90, 100),
        ({"result_expires": timedelta(seconds=50)}, states.SUCCESS, 40, 50),
        ({"result_expires": 100, "result_failure_expires": 500}, states.FAILURE, 490, 500),
        ({"result_expires": 0}, states.SUCCESS, -1, -1),
    ],
)
def test_results_expire(
    make_app: MakeApp,
    kind: str,
    client: redis.Redis,
    conf: dict[str, Any],
    state: str,
    least_s: int,
    most_s: int,
) -> None:
    value = ValueError("x") if state == states.FAILURE else 1
    store(make_app(kind, **conf), "a", value, state)
    assert least_s <= client.ttl("celery-task-meta-a") <= most_s


def test_a_key_prefix_is_used(make_app: MakeApp, kind: str, client: redis.Redis) -> None:
    options = {"global_keyprefix": "shop"}
    app = make_app(kind, result_backend_transport_options=options)
    timer = soon(store, app, "a", 6)
    assert app.AsyncResult("a").get(timeout=5) == 6
    timer.join()
    assert client.keys("*meta*") == [b"shop_celery-task-meta-a"]


@pytest.mark.parametrize(
    "conf",
    [
        {"result_compression": "gzip"},
        {"result_serializer": "pickle", "result_accept_content": ["pickle"]},
        {"result_serializer": "yaml", "result_accept_content": ["yaml"]},
    ],
)
def test_what_is_not_plain_json_is_kept_and_given(
    make_app: MakeApp, kind: str, conf: dict[str, Any]
) -> None:
    app = make_app(kind, **conf)
    store(app, "a", None, states.STARTED)
    store(app, "a", {"long": "x" * 5000})
    store(app, "a", None, states.RETRY)
    timer = soon(store, app, "b", 1)
    assert app.AsyncResult("a").get(timeout=5) == {"long": "x" * 5000}
    assert app.AsyncResult("b").get(timeout=5) == 1
    timer.join()


def test_an_extended_result_has_the_names_of_its_task(make_app: MakeApp, kind: str) -> None:
    app = make_app(kind, result_extended=True)
    request = Context(
        id="a", task="add", args=[1], kwargs={}, hostname="w", retries=2, delivery_info={}
    )
    app.backend.store_result("a", 1, states.SUCCESS, request=request)
    result = app.AsyncResult("a")
    assert (result.name, result.args, result.worker, result.retries) == ("add", [1], "w", 2)


def test_a_password_is_never_shown(app: Celery, redis_url: str) -> None:
    password = redis_url.split(":")[2].split("@")[0]
    for text in (app.backend.as_uri(), repr(app.backend), str(app.backend), app.bugreport()):
        assert password not in text
    assert app.backend.as_uri() == f"redis://:**@{redis_url.partition('@')[2]}"
    assert app.backend.as_uri(include_password=True) == redis_url


def test_the_key_and_the_meta_are_celery_s(app: Celery, client: redis.Redis) -> None:
    store(app, "a", 1)
    value = client.get("celery-task-meta-a")
    assert isinstance(value, bytes)
    meta = app.backend.decode(value)
    assert sorted(meta) == ["children", "date_done", "result", "status", "task_id", "traceback"]
    assert value.startswith(b'{"status": "SUCCESS"')
