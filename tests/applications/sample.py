"""A Flask app for workers of every pool: its tasks tell what they saw, its teardown leaves a trace.

Configured by the environment variable SAMPLE_URL, a Redis URL for broker, results and traces.
"""

from __future__ import annotations

import asyncio
import os
import time

import redis
from celery import Task, shared_task
from celery.exceptions import SoftTimeLimitExceeded
from flask import Flask, current_app, g, has_request_context
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from flask_celeriac import Celeriac

celeriac = Celeriac()
db = SQLAlchemy()
traces = redis.Redis.from_url(os.environ["SAMPLE_URL"], decode_responses=True)


def create_app(**config):
    app = Flask("sample")
    app.config.update(
        CELERY_BROKER_URL=os.environ["SAMPLE_URL"],
        CELERY_RESULT_BACKEND=os.environ["SAMPLE_URL"],
        SQLALCHEMY_DATABASE_URI=os.environ.get("SAMPLE_DATABASE", "sqlite://"),
    )
    app.config.update(config)
    db.init_app(app)
    celeriac.init_app(app)

    @app.teardown_appcontext
    def leave_trace(error):
        if "task_id" in g:
            traces.rpush(f"teardown:{g.task_id}", type(error).__name__)

    with app.app_context():
        db.create_all()
    return app


class Note(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    words = db.Column(db.String, nullable=False)


def _seen(task_id):
    seen = {
        "app": current_app.name,
        "is_fresh": "task_id" not in g,
        "has_request": has_request_context(),
    }
    g.task_id = task_id
    return seen


@celeriac.task(bind=True)
def see(self):
    return _seen(self.request.id)


@shared_task(bind=True)
def see_shared(self):
    return _seen(self.request.id)


class Reporting(Task):
    """A base of the user's own, with a handler that needs the app context."""

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        traces.set(f"on_failure:{task_id}", current_app.name)


@celeriac.task(bind=True, base=Reporting)
def fail(self):
    _seen(self.request.id)
    raise ValueError("as asked")


@shared_task(bind=True, base=Reporting)
def fail_shared(self):
    _seen(self.request.id)
    raise ValueError("as asked")


@celeriac.task(bind=True, max_retries=1, default_retry_delay=0)
def retry_once(self):
    seen = _seen(self.request.id)
    if self.request.retries == 0:
        raise self.retry()
    return seen


@celeriac.task(bind=True, soft_time_limit=1)
def exceed(self):
    _seen(self.request.id)
    try:
        time.sleep(20)
    except SoftTimeLimitExceeded:
        traces.set(f"exceeded:{self.request.id}", current_app.name)
        raise


@celeriac.task(bind=True)
async def see_async(self):
    seen = _seen(self.request.id)
    await asyncio.sleep(0)
    return {**seen, "loop": id(asyncio.get_running_loop()), "pid": os.getpid()}


@celeriac.task(bind=True)
def patience(self):
    """How many seconds this process waits for the broker's answers."""
    return self.app.conf.broker_transport_options["socket_timeout"]


@celeriac.task
def break_session():
    db.session.execute(text("no such statement"))


@celeriac.task
def use_session(words):
    db.session.add(Note(words=words))
    db.session.flush()
    return {"pid": os.getpid(), "is_clean": not db.session.dirty, "notes": Note.query.count()}


@celeriac.task
def connection_of():
    """Which process opened the database connection that this task uses."""
    connection = db.session.connection()
    return {"pid": os.getpid(), "opened_by": connection.info.setdefault("pid", os.getpid())}


flask_app = create_app() if os.environ.get("SAMPLE_URL") else None
my_celery = flask_app.extensions["celery"] if flask_app else None
