"""An application for real web servers; `SERVED_URL` is its Redis, `SERVED_HEARTBEAT` in seconds."""

from __future__ import annotations

import os
import time
from typing import Any

from flask import Flask

from flask_celeriac import Celeriac
from flask_celeriac.api import stream
from flask_celeriac.api.blueprint import Api
from flask_celeriac.api.slots import slots_of

celeriac = Celeriac()


@celeriac.task(name="shop.mail")
def mail() -> str:
    return "sent"


def create_app() -> Flask:
    stream.HEARTBEAT_S = float(os.environ.get("SERVED_HEARTBEAT", "15"))
    app = Flask("served")
    url = os.environ["SERVED_URL"]
    app.config.update(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url, CELERIAC_MAX_STREAMS=1000)
    celeriac.expose()(mail)
    celeriac.access(lambda request, ask: True)
    celeriac.init_app(app)
    app.register_blueprint(Api(), url_prefix="/tasks")

    @app.route("/healthz")
    def healthz() -> Any:
        return {
            "pid": os.getpid(),
            "streams": slots_of(app).taken,
            "processor_s": time.process_time(),
        }

    @app.route("/respond/<task_id>")
    def respond(task_id: str) -> Any:
        return celeriac.respond(mail.AsyncResult(task_id), wait=20)

    return app
