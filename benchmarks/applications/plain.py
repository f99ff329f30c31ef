"""The application on plain Celery, joined to Flask by the pattern of Flask's documentation.

Source: https://flask.palletsprojects.com/en/stable/patterns/celery/
"""

from __future__ import annotations

from typing import Any

from celery import Celery, Task, shared_task
from celery.exceptions import TimeoutError as ResultTimeout
from flask import Flask

from . import settings


def celery_init_app(app: Flask) -> Celery[Any]:
    """Make the Celery app of *app*; its tasks run in the context of *app*."""

    class FlaskTask(Task):  # type: ignore[type-arg]
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery: Celery[Any] = Celery(app.name, task_cls=FlaskTask)
    celery.config_from_object(app.config["CELERY"])
    celery.set_default()
    app.extensions["celery"] = celery
    return celery


@shared_task(ignore_result=False)
def echo(number: int) -> int:
    """Give *number* back: the work itself takes no time."""
    return number


flask_app = Flask(__name__)
flask_app.config["CELERY"] = settings.given()
celery_app = celery_init_app(flask_app)
settings.tell_when_ready(celery_app)


@flask_app.get("/hello-world")
def hello_world() -> dict[str, Any]:
    """Hand work to Celery and wait for its result."""
    try:
        return {"info": echo.delay(1).get(timeout=3)}
    except ResultTimeout:
        return {"info": "celery run failed"}
