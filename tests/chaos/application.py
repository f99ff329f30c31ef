"""A Flask app whose tasks write down that they run. Configured by CHAOS_URL, CHAOS_CONFIG."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

from celery import Task
from celery.worker.control import control_command
from flask import Flask
from ledger import note, written

from flask_celeriac import Celeriac
from flask_celeriac.execute import claims

celeriac = Celeriac()


@celeriac.task(name="chaos.work", bind=True)
def work(self: Task, seconds: float = 0.0) -> int:
    with written(self.request.id):
        time.sleep(seconds)
    return os.getpid()


@celeriac.task(name="chaos.compute", bind=True)
def compute(self: Task, seconds: float) -> None:
    with written(self.request.id):
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            sum(range(1000))


@celeriac.task(name="chaos.pass_on", bind=True)
def pass_on(self: Task, _pid: int) -> None:
    with written(self.request.id):
        pass


@celeriac.task(name="chaos.poison", bind=True)
def poison(self: Task) -> None:
    note("start", self.request.id)
    os.kill(os.getpid(), signal.SIGKILL)


@celeriac.task(name="chaos.stubborn", bind=True, default_retry_delay=0)
def stubborn(self: Task, failures: int) -> None:
    with written(self.request.id):
        if self.request.retries < failures:
            raise self.retry(max_retries=failures)


if os.environ.get("CHAOS_RELEASE") == "new":

    @celeriac.task(name="chaos.novelty", bind=True)
    def novelty(self: Task) -> None:
        with written(self.request.id):
            pass


@control_command(args=[("seconds", float)])
def hang(state: Any, seconds: float) -> None:
    """Keep the event loop from turning."""
    time.sleep(seconds)


if seconds := os.environ.get("CHAOS_HUNG_S"):
    claims.HUNG_S = claims.LOOP_TURN_S = float(seconds)


def create_app(url: str = "", **config: Any) -> Flask:
    app = Flask("chaos")
    url = url or os.environ["CHAOS_URL"]
    app.config.update(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
    app.config.update(json.loads(os.environ.get("CHAOS_CONFIG", "{}")))
    app.config.update(config)
    celeriac.init_app(app)
    return app
