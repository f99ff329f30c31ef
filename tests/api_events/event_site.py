"""A site whose tasks nobody runs: a test tells itself what happens to them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_celeriac import Celeriac
from flask_celeriac.api.blueprint import Api
from flask_celeriac.record.journal.find import journal_of
from flask_celeriac.record.journal.journal import Journal
from server_sent import Frame, Reading, frames_of

PREFIX = "/api/v1/tasks"


@dataclass
class Site:
    """An application with an exposed task `mail`, and `log`, which is not.

    Views: `/mail` and `/log` send these and answer with them.
    """

    app: Flask
    celeriac: Celeriac
    mail: Any
    log: Any
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    @property
    def celery(self) -> Any:
        return self.app.extensions["celery"]

    @property
    def journal(self) -> Journal:
        return journal_of(self.celery)

    def send(self) -> str:
        """Send `mail`; returns its id."""
        with self.app.app_context():
            return str(self.mail.delay().id)

    def end(self, task_id: str, result: Any = None, state: str = "SUCCESS") -> None:
        """Do what a worker does at the end of a run."""
        self.journal.ended(task_id)
        self.celery.backend.store_result(task_id, result, state)

    def run(self, task_id: str, steps: int = 3) -> None:
        """Do what a worker does: `steps` and 1 events, and the end."""
        self.journal.started(task_id)
        for step in range(1, steps + 1):
            self.journal.progress(task_id, {"current": step, "total": steps})
        self.end(task_id, "sent")

    def open(self, task_id: str, cursor: str | None = None, **options: Any) -> TestResponse:
        """Begin to read the events of a task."""
        headers = {} if cursor is None else {"Last-Event-ID": cursor}
        path = f"{PREFIX}/{task_id}/events"
        return self.client.get(path, headers=headers, buffered=False, **options)

    def frames(self, task_id: str, cursor: str | None = None) -> list[Frame]:
        """Read all events of a task until the stream ends."""
        response = self.open(task_id, cursor)
        assert response.status_code == 200, response.text
        return list(frames_of(response.response))

    def reading(self, task_id: str, cursor: str | None = None) -> Reading:
        """Read the events of a task in a thread."""
        response = self.open(task_id, cursor)
        assert response.status_code == 200, response.text
        return Reading(response.response, response.close)


def make_site(**config: Any) -> Site:
    celeriac = Celeriac()

    @celeriac.task(name="shop.mail")
    def mail(kind: str = "plain") -> str:
        if kind == "wrong":
            raise ValueError("no such address")
        return kind

    @celeriac.task(name="shop.log")
    def log(message: Any = "hello") -> Any:
        return message

    celeriac.expose()(mail)
    celeriac.access(lambda request, ask: True)
    app = Flask("shop")
    app.config.update({"TESTING": True, **config})
    celeriac.init_app(app)
    app.register_blueprint(Api(), url_prefix=PREFIX)
    site = Site(app, celeriac, mail, log)

    @app.route("/mail", methods=["GET", "POST"])
    def mail_view() -> Any:
        return celeriac.respond(mail.delay(), wait=0)

    @app.route("/log", methods=["GET", "POST"])
    def log_view() -> Any:
        return celeriac.respond(log.delay(), wait=0)

    return site


def in_background(function: Any, *args: Any) -> threading.Thread:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


def numbers(frames: Iterator[Frame] | list[Frame]) -> list[int]:
    return [frame.number for frame in frames if frame.kind]
