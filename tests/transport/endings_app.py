"""An application whose tasks end in all the ways that settle a message otherwise."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from celery.exceptions import Reject
from flask import Flask

from flask_celeriac import Celeriac

celeriac = Celeriac()


@celeriac.task(name="endings.add", acks_late=False)
def add(x: int, y: int) -> int:
    return x + y


@celeriac.task(name="endings.exceed", time_limit=1)
def exceed() -> None:
    time.sleep(60)


@celeriac.task(name="endings.kill", reject_on_worker_lost=False)
def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@celeriac.task(name="endings.keep", acks_on_failure=False)
def keep() -> None:
    raise KeyError("kept")


@celeriac.task(name="endings.requeue", bind=True)
def requeue(self: Any) -> str:
    """As Celery's user guide shows it."""
    if not self.request.delivery_info["redelivered"]:
        raise Reject("no reason", requeue=True)
    return "received two times"


def create_app() -> Flask:
    app = Flask("endings")
    url = os.environ["ENDINGS_URL"]
    app.config.update(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
    celeriac.init_app(app)
    return app
