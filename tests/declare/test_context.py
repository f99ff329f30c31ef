"""Every run of a task has an app context of its own."""

from __future__ import annotations

import pytest
from celery import Task, shared_task
from flask import current_app, g, has_request_context
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text


@pytest.fixture
def torn_down():
    return []


@pytest.fixture
def app(make_eager_app, celeriac, torn_down):
    app = make_eager_app(celeriac=celeriac)
    app.teardown_appcontext(lambda error: torn_down.append((g.get("who"), type(error).__name__)))
    return app


def test_an_eager_run_gets_a_fresh_context_and_leaves_the_callers_alone(app, celeriac, torn_down):
    @celeriac.task
    def peek() -> bool:
        seen = "who" in g
        g.who = "task"
        return seen

    with app.app_context():
        g.who = "caller"
        assert peek.delay().get() is False
        assert torn_down == [("task", "NoneType")]
        assert g.who == "caller"


def test_a_task_does_not_see_the_request_it_was_sent_from(app, celeriac):
    @celeriac.task
    def peek() -> bool:
        return has_request_context()

    @shared_task(name="test_context.peek_shared", base=Task)
    def peek_shared() -> bool:
        return has_request_context()

    with app.test_request_context("/"):
        assert peek.delay().get() is False
        assert peek_shared.delay().get() is False
        assert has_request_context()


def test_the_context_is_torn_down_with_the_error_of_a_failed_run(app, celeriac, torn_down):
    @celeriac.task
    def fail() -> None:
        g.who = "task"
        raise KeyError("as asked")

    with pytest.raises(KeyError):
        fail.delay().get()
    assert torn_down == [("task", "KeyError")]


def test_each_attempt_of_a_retried_run_has_its_own_context(app, celeriac, torn_down):
    @celeriac.task(bind=True, max_retries=2, default_retry_delay=0)
    def retry_twice(self) -> bool:
        is_fresh = "who" not in g
        g.who = self.request.retries
        if self.request.retries < 2:
            raise self.retry()
        return is_fresh

    assert retry_twice.delay().get() is True
    assert torn_down == [(0, "Retry"), (1, "Retry"), (2, "NoneType")]


def test_a_tasks_handlers_are_inside_the_context(app):
    seen = []

    class Reporting(Task):
        def before_start(self, *_):
            seen.append(("before_start", current_app.name))

        def on_success(self, *_):
            seen.append(("on_success", current_app.name))

        def after_return(self, *_):
            seen.append(("after_return", current_app.name))

    @shared_task(name="test_context.report", base=Reporting)
    def report() -> None: ...

    with app.app_context():
        report.delay()
    names = ("before_start", "on_success", "after_return")
    assert seen == [(name, "garden") for name in names]


def test_nested_eager_runs_each_have_their_own_context(app, celeriac):
    @celeriac.task
    def inner() -> bool:
        return "who" in g

    @celeriac.task
    def outer() -> tuple[bool, str]:
        g.who = "outer"
        saw = inner.apply().get(disable_sync_subtasks=False)
        return saw, g.who

    assert outer.delay().get() == (False, "outer")


@pytest.fixture
def db():
    return SQLAlchemy()


@pytest.fixture
def with_database(make_eager_app, celeriac, db, tmp_path):
    app = make_eager_app(SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/notes.db")
    db.init_app(app)

    class Note(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        words = db.Column(db.String, nullable=False)

    celeriac.init_app(app)
    with app.app_context():
        db.create_all()
    yield app, Note
    with app.app_context():
        db.engine.dispose()


def test_a_task_that_breaks_its_session_leaves_the_next_clean(with_database, celeriac, db):
    app, note = with_database

    @celeriac.task
    def break_session() -> None:
        db.session.add(note(words=None))
        db.session.flush()

    @celeriac.task
    def write() -> int:
        db.session.add(note(words="fine"))
        db.session.commit()
        return note.query.count()

    with app.app_context():
        assert break_session.delay().failed()
        assert write.delay().get() == 1


def test_an_eager_task_in_a_request_leaves_the_requests_session_alone(with_database, celeriac, db):
    app, note = with_database

    @celeriac.task
    def work() -> int:
        seen = db.session()
        db.session.execute(text("select 1"))
        return id(seen)

    @app.get("/")
    def view():
        pending = note(words="pending")
        db.session.add(pending)
        mine = id(db.session())
        theirs = work.delay().get()
        assert pending in db.session
        db.session.commit()
        return {"is_apart": mine != theirs, "count": note.query.count()}

    assert app.test_client().get("/").json == {"is_apart": True, "count": 1}
