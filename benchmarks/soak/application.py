"""The application of the soak. Its tasks sleep, and write down that they began and ended."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from celery.signals import worker_ready
from flask import Flask

from flask_celeriac import Celeriac

from .ledger import FOLDER, LEDGER_NAME, SETTINGS, WORKER, Ledger

#: Retries and groups must never run out of attempts.
_MOST_RETRIES = 1000

celeriac = Celeriac()
folder = Path(os.environ[FOLDER])
worker = os.environ.get(WORKER, "")
ledger = Ledger(folder / LEDGER_NAME)


@celeriac.task(bind=True, max_retries=_MOST_RETRIES)
def work(self: Any, duration_s: float, retries: int = 0, countdown_s: float = 0.0) -> str:
    """Sleep for *duration_s*; ask for *retries* retries first. Returns the task's own id."""
    run = {"id": self.request.id, "retries": self.request.retries, "pid": os.getpid()}
    ledger.write("start", worker=worker, **run)
    time.sleep(duration_s)
    ledger.write("end", worker=worker, **run)
    if self.request.retries < retries:
        raise self.retry(countdown=countdown_s)
    return str(self.request.id)


flask_app = Flask(__name__)
flask_app.config["CELERY"] = json.loads(os.environ[SETTINGS])
celeriac.init_app(flask_app)
celery_app = celeriac.celery


@worker_ready.connect
def _tell(**_: Any) -> None:
    ledger.write("ready", worker=worker)
