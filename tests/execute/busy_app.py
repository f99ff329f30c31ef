"""An application whose tasks say little of how they come back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from flask import Flask

from flask_celeriac import Celeriac

celeriac = Celeriac()


@celeriac.task(name="busy.echo")
def echo(number: int) -> int:
    return number


@celeriac.task(name="busy.large")
def large() -> str:
    return "x" * 300_000


@celeriac.task(name="busy.fail")
def fail() -> None:
    raise ValueError("no")


@celeriac.task(name="busy.kill_once")
def kill_once(path: str) -> str:
    """End the process the first time."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "second run"


def create_app() -> Flask:
    app = Flask("busy")
    url = os.environ["BUSY_URL"]
    app.config.update(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
    celeriac.init_app(app)
    return app
