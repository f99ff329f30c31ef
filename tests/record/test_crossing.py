"""Results of tasks in pool processes: stored with the end of their claims, or at once."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from celery import Celery, states
from celery.app.task import Context
from result_apps import MakeApp, with_claimed_task

from flask_celeriac.record import crossing
from flask_celeriac.record.crossing import Crossed
from flask_celeriac.transport.redis.keys import claims_key
from flask_celeriac.transport.redis.outcome import Outcome

META = "celery-task-meta-a"


@pytest.fixture
def app(make_app: MakeApp, client: redis.Redis) -> Celery:
    """An app with a task, whose claim is number 7 of a worker in another process."""
    return with_claimed_task(make_app(), client, "worker")


def request(**names: Any) -> Context:
    about = {"id": "a", "task": "add", "called_directly": False, **names}
    return Context(properties={"delivery_tag": "worker/7"}, **about)


def traced(app: Celery, result: Any, **names: Any) -> Any:
    """Run as a pool process does, with a tracer that only stores *result*."""

    def trace(name: str, task_id: str) -> tuple[int, str, float]:
        app.backend.mark_as_done("a", result, request(**names))
        return 0, "told", 0.5

    return crossing.run(trace, "add", "a")


def test_a_result_crosses_and_is_not_stored(app: Celery, client: redis.Redis) -> None:
    failed, crossed, runtime = traced(app, 3)
    assert (failed, crossed.told, runtime) == (0, "told", 0.5)
    assert client.exists(META) == 0
    # What Celery would have stored, and can read.
    client.set(META, crossed.value)
    result = app.AsyncResult("a")
    assert (result.state, result.get(timeout=5)) == (states.SUCCESS, 3)


def test_a_large_one_is_stored_at_once(app: Celery) -> None:
    large = "x" * 100_000
    assert traced(app, large) == (0, "told", 0.5)
    assert app.AsyncResult("a").get(timeout=5) == large


def test_a_large_one_of_a_late_run_is_not_stored_and_that_is_said(
    app: Celery, client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    client.delete(claims_key("", "worker"))
    assert traced(app, "x" * 100_000) == (0, "told", 0.5)
    assert client.exists(META) == 0
    assert "add[a] was not stored: this was a late run" in caplog.text


@pytest.mark.parametrize(
    "names", [{"chord": {"task": "add"}, "group": "g", "group_index": 0}, {"task": "unknown"}]
)
def test_what_may_not_wait_is_stored_at_once(app: Celery, names: dict[str, Any]) -> None:
    app.backend.set_chord_size("g", 2)
    assert traced(app, 3, **names) == (0, "told", 0.5)
    assert app.AsyncResult("a").get(timeout=5) == 3


def test_another_task_that_runs_meanwhile_is_stored_at_once(app: Celery) -> None:
    def trace(name: str, task_id: str) -> tuple[int, str, float]:
        app.backend.mark_as_done("b", 3, request(id="b"))
        return 0, "told", 0.5

    assert crossing.run(trace, "add", "a") == (0, "told", 0.5)
    assert app.AsyncResult("b").get(timeout=5) == 3


def test_one_that_fails_after_all_brings_no_success(app: Celery) -> None:
    def trace(name: str, task_id: str) -> tuple[int, str, float]:
        app.backend.mark_as_done("a", 3, request())
        app.backend.mark_as_failure("a", ValueError("x"), request=request())
        return 1, "error", 0.5

    assert crossing.run(trace, "add", "a") == (1, "error", 0.5)
    assert app.AsyncResult("a").state == states.FAILURE


def test_an_error_of_the_tracer_leaves_nothing_for_the_next_run(app: Celery) -> None:
    def trace(name: str, task_id: str) -> tuple[int, str, float]:
        app.backend.mark_as_done("a", 3, request())
        raise SystemExit

    with pytest.raises(SystemExit):
        crossing.run(trace, "add", "a")
    assert not crossing.is_awaited("a")
    assert crossing.run(lambda *_: (0, "told", 0.5), "add", "a") == (0, "told", 0.5)


def test_the_worker_stores_it_with_the_same_key_and_life_time(app: Celery) -> None:
    _, crossed, _ = traced(app, 3)
    assert isinstance(crossed, Crossed)
    backend: Any = app.backend
    outcome: Outcome = backend.outcome("a", crossed.value, request)
    assert (outcome.key, outcome.expires_s) == (META.encode(), 86400)
    outcome.store()
    assert app.AsyncResult("a").get(timeout=5) == 3
