"""The tasks. `celeriac.init_app(app)` finds this module; nobody has to import it."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime
from typing import Any

from app.extensions import celeriac

MINUTE_JOB_KEY = "flask-celery-demo:minute-job"


@celeriac.task(bind=True)
def log(self: Any, message: str) -> str:
    """Return *message*, and keep it for the page when it was beat that sent it."""
    if self.request.get("celery_beat_task"):
        last = {"message": message, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        self.backend.set(MINUTE_JOB_KEY, json.dumps(last))
    return message


@celeriac.task
def multiply(x: float, y: float) -> float:
    return x * y


@celeriac.task(bind=True, max_retries=2, default_retry_delay=5, time_limit=4)
def calc(self: Any, n: float) -> float:
    """Return n + 1 after up to 5 s: above 2.5 s it tries again, at 4 s the worker ends it."""
    started = time.monotonic()
    time.sleep(random.uniform(0, 5))
    took_s = time.monotonic() - started
    if took_s > 2.5:
        raise self.retry(exc=TimeoutError(f"a run of {took_s:.1f} s is too slow"))
    return n + 1
