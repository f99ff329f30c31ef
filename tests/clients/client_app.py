"""An application for clients of all kinds, on `CLIENTS_URL`; its tasks go when a test lets them."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, Response, request

from flask_celeriac import Celeriac
from flask_celeriac.api.blueprint import Api
from flask_celeriac.api.slots import slots_of

celeriac = Celeriac()
asked: list[list[Any]] = []

PAGE = """<!doctype html>
<title>Watch</title>
<script>
  window.told = [];
  window.opened = 0;
  window.source = new EventSource("/tasks/%s/events");
  source.onopen = () => { opened += 1; };
  for (const kind of ["state", "progress", "reset", "end"]) {
    source.addEventListener(kind, (event) => told.push([kind, Number(event.lastEventId)]));
  }
</script>
"""


@celeriac.expose()
@celeriac.task(name="clients.walk")
def walk(gate: str, steps: int, luggage: int = 0) -> int:
    """Take a step for each byte that comes through *gate*, a named pipe."""
    way = os.open(gate, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(way, True)
    try:
        for step in range(1, steps + 1):
            if not os.read(way, 1):
                return step
            celeriac.progress(step, steps, trunk="x" * luggage)
    finally:
        os.close(way)
    return steps


@celeriac.expose()
@celeriac.task(name="clients.fill")
def fill(size: int) -> str:
    return "x" * size


@celeriac.expose()
@celeriac.task(name="clients.flood")
def flood(events: int, size: int) -> int:
    for count in range(1, events + 1):
        celeriac.progress(count, events, water="x" * size)
    return events


def create_app() -> Flask:
    app = Flask("clients")
    url = os.environ["CLIENTS_URL"]
    app.config.update(
        CELERY_BROKER_URL=url,
        CELERY_RESULT_BACKEND=url,
        CELERIAC_PROGRESS_INTERVAL=0.000001,
        CELERIAC_MAX_STREAMS=1000,
        CELERIAC_MAX_WAIT=float(os.environ.get("CLIENTS_MAX_WAIT", "20")),
    )
    celeriac.access(lambda request, ask: True)
    celeriac.init_app(app)
    app.register_blueprint(Api(), url_prefix="/tasks")

    @app.after_request
    def note(response: Response) -> Response:
        response.headers["X-Process"] = str(os.getpid())
        cursor = request.headers.get("Last-Event-ID")
        asked.append([request.method, request.path, cursor, response.status_code])
        return response

    @app.route("/health")
    def health() -> Any:
        return {"pid": os.getpid(), "streams": slots_of(app).taken}

    @app.route("/asked")
    def show_asked() -> Any:
        return asked

    @app.route("/watch/<task_id>")
    def watch(task_id: str) -> str:
        return PAGE % task_id

    @app.route("/respond/<task_id>")
    def respond(task_id: str) -> Any:
        return celeriac.respond(fill.AsyncResult(task_id), wait=10)

    return app
