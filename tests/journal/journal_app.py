"""An application whose tasks say how far they are, and may be cancelled."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery.exceptions import Retry
from flask import Flask

from flask_celeriac import Celeriac

celeriac = Celeriac()


@celeriac.expose()
@celeriac.task(name="journal.count")
def count(number: int) -> int:
    for _ in celeriac.track(range(number), message="counting"):
        pass
    return number


@celeriac.task(name="journal.count_unseen")
def count_unseen(number: int) -> int:
    for done in range(number + 1):
        celeriac.progress(done, number, "unseen", step="mail")
    return number


@celeriac.task(name="journal.tell_nonsense")
def tell_nonsense() -> str:
    celeriac.progress("many", "all", "?")  # type: ignore[arg-type]
    celeriac.progress(1, 0, what=object())
    celeriac.progress(float("nan"), 3)
    return "done"


@celeriac.expose()
@celeriac.task(name="journal.tell_too_much")
def tell_too_much() -> str:
    celeriac.progress(1, 2, "x" * 5000, rows=["x" * 1000] * 100)
    return "done"


@celeriac.expose(terminate_after_s=1)
@celeriac.task(name="journal.wait")
def wait(mark: str) -> str:
    """Run until it is cancelled, saying at its end how that came."""
    try:
        for done in range(600):
            celeriac.progress(done)
            celeriac.raise_if_cancelled()
            time.sleep(0.05)
    finally:
        Path(mark).touch()
    return "not cancelled"


@celeriac.expose()
@celeriac.task(name="journal.listen_not")
def listen_not(mark: str) -> str:
    """Run for long and hear nothing."""
    Path(mark).touch()
    for _ in range(600):
        time.sleep(0.05)
    return "not cancelled"


@celeriac.expose()
@celeriac.task(name="journal.write")
def write(mark: str) -> None:
    Path(mark).touch()


@celeriac.expose()
@celeriac.task(name="journal.try_twice", bind=True, max_retries=3)
def try_twice(self) -> int:  # type: ignore[no-untyped-def]
    if self.request.retries == 0:
        raise self.retry(countdown=0) from Retry()
    return int(self.request.retries)


@celeriac.expose()
@celeriac.task(name="journal.send")
def send() -> str:
    return str(write.apply_async((os.devnull,)).id)


def create_app() -> Flask:
    app = Flask("journal")
    app.config.from_prefixed_env("JOURNAL")
    celeriac.init_app(app)
    return app
