"""Which app a task handle means, and what it can be used for."""

from __future__ import annotations

import pickle
import threading

import greenlet
import pytest
from celery import chain, chord, group, shared_task, signature
from flask import current_app

from flask_celeriac import Celeriac

celeriac = Celeriac()


@celeriac.task
def where(*_: object) -> str:
    return current_app.name


@celeriac.task
def add(x: int, y: int) -> int:
    return x + y


@celeriac.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@celeriac.task
def fail() -> None:
    raise ValueError("as asked")


@celeriac.task
def note_error(*args: object) -> None:
    noted.append((current_app.name, args[-1] if args else None))


@shared_task
def shared_where() -> str:
    return current_app.name


# Made before there is any app.
workflow = chain(add.s(1, 2), add.s(3), add.si(5, 6))
piped = add.s(1, 2) | add.s(3)
spread = group(add.s(1, 1), add.s(2, 2))
gathered = chord([add.s(1, 1), add.s(2, 2)], total.s())
with_error = fail.s().on_error(note_error.s("late"))
place = where.s()
noted: list[object] = []


@pytest.fixture
def app(make_app, wait_until_alone):
    wait_until_alone(celeriac)
    return make_app("home", celeriac=celeriac)


@pytest.fixture
def worker(app, run_worker):
    with run_worker(app):
        yield app.extensions["celery"]


def test_a_handle_knows_its_name_and_its_function_before_any_app():
    assert add.name == f"{__name__}.add"
    assert add.__name__ == "add"
    assert add.__wrapped__(1, 2) == 3


def test_a_direct_call_is_a_function_call(app):
    assert add(1, 2) == 3
    with app.app_context():
        assert where() == "home"


def test_a_handle_survives_pickling():
    assert pickle.loads(pickle.dumps(add)) is add


def test_signatures_made_before_any_app_run_in_a_worker(worker):
    assert workflow.delay().get(timeout=10) == 11
    assert piped.delay().get(timeout=10) == 6
    assert spread.delay().get(timeout=10) == [2, 4]
    assert gathered.delay().get(timeout=10) == 6
    assert add.chunks([(1, 1), (2, 2), (3, 3)], 2).delay().get(timeout=10) == [[2, 4], [6]]
    assert total.map([[1, 2], [3, 4]]).delay().get(timeout=10) == [3, 7]
    assert add.starmap([(1, 2), (3, 4)]).delay().get(timeout=10) == [3, 7]


def test_link_and_link_error_run_in_the_app(worker, wait_until):
    noted.clear()
    failed = with_error.delay()
    with pytest.raises(ValueError, match="as asked"):
        failed.get(timeout=10)
    # Celery stores the failure before it calls those who are told of it.
    wait_until(lambda: noted == [("home", "late")])


def test_a_shared_task_runs_in_a_worker(worker):
    assert shared_where.delay().get(timeout=10) == "home"


def test_send_task_by_name_and_a_stock_signature_work(app, worker):
    assert worker.send_task(add.name, (1, 2)).get(timeout=10) == 3
    with app.app_context():
        assert signature(add.name, (1, 2)).delay().get(timeout=10) == 3


def test_apply_async_takes_celerys_options(worker):
    assert add.apply_async((1, 2), countdown=0.1, task_id="chosen").id == "chosen"
    assert add.AsyncResult("chosen").get(timeout=10) == 3


def test_attributes_are_those_of_the_real_task(app):
    assert add.max_retries == 3
    assert add.app is app.extensions["celery"]
    with pytest.raises(AttributeError, match="no_such"):
        _ = add.no_such


@pytest.fixture
def two_apps(make_eager_app):
    return [make_eager_app(name, celeriac=celeriac) for name in ("one", "two")]


def everywhere() -> list[str]:
    """Run tasks by handle, by signature, by chain, shared, as link; say which apps they saw."""
    return [
        where.delay().get(),
        place.delay().get(),
        place.clone().delay().get(),
        chain(where.s(), where.s()).delay().get(),
        *group(where.s(), where.s()).delay().get(),
        (where.s() | where.s()).apply_async().get(),
        shared_where.delay().get(),
        shared_where.s().delay().get(),
        chord([where.s()], where.s()).delay().get(),
    ]


def test_one_signature_serves_two_apps_in_turn(two_apps):
    for app in (*two_apps, *two_apps):
        with app.app_context():
            assert set(everywhere()) == {app.name}


def test_each_thread_means_the_app_of_its_own_context(two_apps):
    # One after the other inside, since Celery's eager mode is not made for threads.
    seen: dict[str, set[str]] = {}
    entered, turn = threading.Barrier(2), threading.Lock()

    def run(app):
        with app.app_context():
            entered.wait(timeout=10)
            with turn:
                seen[app.name] = set(everywhere())

    threads = [threading.Thread(target=run, args=(app,)) for app in two_apps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"one": {"one"}, "two": {"two"}}


def test_each_greenlet_means_the_app_of_its_own_context(two_apps):
    seen: list[set[str]] = []

    def run(app):
        with app.app_context():
            greenlet.getcurrent().parent.switch()
            seen.append(set(everywhere()))

    greenlets = [greenlet.greenlet(run) for _ in two_apps]
    for each, app in zip(greenlets, two_apps, strict=True):
        each.switch(app)
    for each in greenlets:
        each.switch()
    assert seen == [{"one"}, {"two"}]


def test_a_new_thread_without_context_means_the_only_app(make_eager_app):
    own = Celeriac()

    @own.task
    def only() -> str:
        return current_app.name

    app = make_eager_app("only", celeriac=own)
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(only.s().delay().get()))
    thread.start()
    thread.join()
    assert seen == ["only"]
    assert app


def test_a_beat_entry_may_name_the_handle_itself(make_app):
    app = make_app(
        celeriac=celeriac,
        CELERY_BEAT_SCHEDULE={"sum": {"task": add, "schedule": 60.0, "args": (1, 2)}},
    )
    assert app.extensions["celery"].conf.beat_schedule["sum"]["task"] == add.name


def test_periodic_tasks_are_added_with_signatures_of_handles(make_app):
    celery = make_app(celeriac=celeriac).extensions["celery"]
    celery.add_periodic_task(60.0, add.s(1, 2), name="sum")
    assert celery.conf.beat_schedule["sum"]["task"] == add.name
