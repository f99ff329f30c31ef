"""When a result is stored in one step with the end of its claim, and when at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery, Task, signals, states
from celery.app.task import Context
from result_apps import MakeApp, with_claimed_task

from flask_celeriac.record import ending
from flask_celeriac.transport.redis.keys import claims_key
from flask_celeriac.transport.redis.outcome import Outcome

META = "celery-task-meta-a"


class Holder:
    """Stands for this process's claimant, "one"."""

    is_lasting = True

    def __init__(self) -> None:
        self.brought: dict[int, Outcome] = {}

    def bring(self, number: int, outcome: Outcome) -> None:
        self.brought[number] = outcome

    def take_back(self, number: int) -> None:
        self.brought.pop(number, None)


@pytest.fixture
def holder(monkeypatch: pytest.MonkeyPatch) -> Holder:
    found = Holder()
    monkeypatch.setattr(ending, "claimant_named", {"one": found}.get)
    return found


@pytest.fixture
def app(make_app: MakeApp, client: redis.Redis) -> Celery:
    """An app with a task, whose claim is number 7 of "one"."""
    return with_claimed_task(make_app(), client, "one")


def run(**names: Any) -> Context:
    tag = names.pop("tag", "one/7")
    about = {"id": "a", "task": "add", "called_directly": False, **names}
    return Context(properties={"delivery_tag": tag}, **about)


def test_a_success_waits_for_the_end_of_its_claim(
    app: Celery, holder: Holder, client: redis.Redis
) -> None:
    app.backend.mark_as_done("a", 3, run())
    outcome = holder.brought[7]
    assert client.exists(META) == 0
    assert outcome.key == META.encode()
    assert outcome.expires_s == 86400
    # What Celery would have stored, and can read.
    client.set(META, outcome.value)
    result = app.AsyncResult("a")
    assert (result.state, result.get(timeout=5)) == (states.SUCCESS, 3)


def test_it_can_still_be_stored_alone(app: Celery, holder: Holder, client: redis.Redis) -> None:
    app.backend.mark_as_done("a", 3, run())
    holder.brought[7].store()
    assert client.exists(META) == 1


def test_a_late_one_is_said(app: Celery, holder: Holder, caplog: pytest.LogCaptureFixture) -> None:
    app.backend.mark_as_done("a", 3, run())
    holder.brought[7].tell_late()
    assert "add[a] was not stored: this was a late run" in caplog.text


def test_another_end_takes_its_place(app: Celery, holder: Holder, client: redis.Redis) -> None:
    app.backend.mark_as_done("a", 3, run())
    app.backend.mark_as_failure("a", ValueError("x"), request=run())
    assert holder.brought == {}
    assert app.AsyncResult("a").state == states.FAILURE


def test_a_result_that_nobody_wants_is_not_brought(
    app: Celery, holder: Holder, client: redis.Redis
) -> None:
    app.backend.mark_as_done("a", 3, run(ignore_result=True), store_result=False)
    assert holder.brought == {}
    assert client.exists(META) == 0


def expect_at_once(app: Celery, holder: Holder, request: Context | None) -> None:
    app.backend.mark_as_done("a", 3, request)
    assert holder.brought == {}
    assert app.AsyncResult("a").get(timeout=5) == 3


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({"tag": "two/7"}, id="claim of another process"),
        pytest.param({"tag": "7"}, id="another transport"),
        pytest.param({"called_directly": True}, id="no message"),
        pytest.param({"task": "unknown"}, id="unknown task"),
    ],
)
def test_others_are_stored_at_once(
    app: Celery, holder: Holder, client: redis.Redis, names: dict[str, Any]
) -> None:
    client.hset(claims_key("", "two"), "7", "x")
    expect_at_once(app, holder, run(**names))


def test_a_part_of_a_chord_is_stored_at_once(app: Celery, holder: Holder) -> None:
    app.backend.set_chord_size("g", 2)
    expect_at_once(app, holder, run(chord={"task": "add"}, group="g", group_index=0))


def test_a_result_without_a_request_is_stored_at_once(app: Celery, holder: Holder) -> None:
    expect_at_once(app, holder, None)


def test_what_is_acknowledged_early_is_stored_at_once(app: Celery, holder: Holder) -> None:
    app.tasks["add"].acks_late = False
    expect_at_once(app, holder, run())


def test_a_claimant_that_does_not_last_brings_nothing(app: Celery, holder: Holder) -> None:
    holder.is_lasting = False
    expect_at_once(app, holder, run())


def test_results_in_another_database_are_stored_at_once(
    make_app: MakeApp, holder: Holder, redis_url: str
) -> None:
    server, _, number = redis_url.rpartition("/")
    app = make_app(broker_url=f"{server}/{(int(number) + 1) % 16}")

    @app.task(name="add", acks_late=True, shared=False)
    def add() -> None: ...

    app.finalize()
    expect_at_once(app, holder, run())


@pytest.mark.parametrize("name", ["on_success", "after_return"])
def test_a_task_that_is_told_of_its_end_finds_its_result(
    make_app: MakeApp, holder: Holder, client: redis.Redis, name: str
) -> None:
    kind = type("Told", (Task,), {name: lambda *_, **__: None})
    app = with_claimed_task(make_app(), client, "one", base=kind)
    expect_at_once(app, holder, run())


@pytest.fixture(params=["task_success", "task_postrun"])
def told(request: pytest.FixtureRequest) -> Iterator[None]:
    """Somebody who is told of every end."""

    def hear(**_: Any) -> None: ...

    signal = getattr(signals, request.param)
    signal.connect(hear)
    yield
    signal.disconnect(hear)


@pytest.mark.usefixtures("told")
def test_who_hears_of_an_end_finds_the_result(app: Celery, holder: Holder) -> None:
    expect_at_once(app, holder, run())


def test_our_own_receivers_do_not_count(app: Celery, holder: Holder) -> None:
    def hear(**_: Any) -> None: ...

    signals.task_postrun.connect(hear, dispatch_uid="flask_celeriac.test")
    try:
        app.backend.mark_as_done("a", 3, run())
    finally:
        signals.task_postrun.disconnect(hear, dispatch_uid="flask_celeriac.test")
    assert holder.brought
