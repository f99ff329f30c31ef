"""The tasks. `celeriac.init_app(app)` finds this module; nobody has to import it."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from app.extensions import celeriac

MINUTE_JOB_KEY = "flask-celery-demo:minute-job"

#: What comes by HTTP is checked against these before it is sent.
Text = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[float, Field(strict=True, ge=-1e9, le=1e9)]


@celeriac.expose()
@celeriac.task(bind=True)
def log(self: Any, message: Text) -> str:
    """Return *message*, and keep it for the page when it was beat that sent it."""
    if self.request.get("celery_beat_task"):
        last = {"message": message, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        self.backend.set(MINUTE_JOB_KEY, json.dumps(last))
    return message


@celeriac.expose()
@celeriac.task
def multiply(x: Number, y: Number) -> float:
    """Return the product of two numbers."""
    return x * y


@celeriac.expose()
@celeriac.task(bind=True, max_retries=2, default_retry_delay=5, time_limit=4)
def calc(self: Any, n: Number) -> float:
    """Return n + 1 after up to 5 s: above 2.5 s it tries again, at 4 s the worker ends it."""
    started = time.monotonic()
    time.sleep(random.uniform(0, 5))
    took_s = time.monotonic() - started
    if took_s > 2.5:
        raise self.retry(exc=TimeoutError(f"a run of {took_s:.1f} s is too slow"))
    return n + 1


@celeriac.expose()
@celeriac.task
def render_report(
    pages: Annotated[int, Field(ge=1, le=500)] = 20,
    seconds: Annotated[float, Field(ge=0, le=120)] = 10.0,
) -> str:
    """Take *seconds* for *pages* pages, tell how far it is, and end early when it is cancelled."""
    for _ in celeriac.track(range(pages), message="Rendering pages"):
        time.sleep(seconds / pages)
    return f"a report of {pages} pages"
