"""The application on Flask-Celeriac."""

from __future__ import annotations

from typing import Any

from celery.exceptions import TimeoutError as ResultTimeout
from flask import Flask

from flask_celeriac import Celeriac

from . import settings

celeriac = Celeriac()


@celeriac.task
def echo(number: int) -> int:
    """Give *number* back: the work itself takes no time."""
    return number


flask_app = Flask(__name__)
flask_app.config["CELERY"] = settings.given()
flask_app.config["CELERIAC_TRANSPORT"] = settings.transport()
celeriac.init_app(flask_app)
celery_app = celeriac.celery
settings.tell_when_ready(celery_app)


@flask_app.get("/hello-world")
def hello_world() -> dict[str, Any]:
    """Hand work to Celery and wait for its result."""
    try:
        return {"info": echo.delay(1).get(timeout=3)}
    except ResultTimeout:
        return {"info": "celery run failed"}
