"""One application under observation, with our extension or without: worker, beat and sender.

Configured by OBSERVED_KIND ("ours", "plain", or "attached": plain on our transport), OBSERVED_TOOL
("sentry", "opentelemetry" or ""), OBSERVED_URL and OBSERVED_FILE, into which the tool writes what
it would send. As a program it is the sender: one request sends tasks of all sorts, and their
results are awaited.
"""

from __future__ import annotations

import importlib
import os
import time
from typing import Any

if tool := os.environ.get("OBSERVED_TOOL"):
    importlib.import_module(f"{tool}_file").start()

from celery import Celery, chain, chord, group
from celery.schedules import schedule
from flask import Flask

from flask_celeriac import Celeriac
from flask_celeriac.transport.attach import attach

WAIT_S = 40
URL = os.environ["OBSERVED_URL"]
IS_OURS = os.environ["OBSERVED_KIND"] == "ours"


class Soon(schedule):
    """Runs once, a second after the start, and says that it does so every hour."""

    seconds = 3600.0


SCHEDULE = {"hourly": {"task": "observed.add", "schedule": Soon(1.0), "args": (1, 2)}}

app = Flask("observed")
celeriac = Celeriac()
plain = Celery("observed", backend=URL, set_as_current=not IS_OURS)
configuration: dict[str, Any] = {
    "broker_url": URL,
    "task_acks_late": True,
    "worker_prefetch_multiplier": 1,
    "beat_schedule": SCHEDULE,
}
if os.environ["OBSERVED_KIND"] == "attached":
    attach(plain, configuration)
plain.conf.update(configuration)
task: Any = celeriac.task if IS_OURS else plain.task


@task(name="observed.add")
def add(x: int, y: int) -> int:
    return x + y


@task(name="observed.total")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@task(name="observed.fail")
def fail() -> None:
    raise ValueError("no")


@task(name="observed.expected", throws=(KeyError,))
def expected() -> None:
    raise KeyError("known")


@task(name="observed.again", bind=True)
def again(self: Any) -> int:
    if not self.request.retries:
        raise self.retry(countdown=0)
    return int(self.request.retries)


@task(name="observed.flaky", bind=True, autoretry_for=(OSError,), retry_backoff=False)
def flaky(self: Any) -> None:
    if not self.request.retries:
        self.default_retry_delay = 0
        raise OSError("busy")


@task(name="observed.parent")
def parent() -> str:
    return str(add.delay(1, 1).id)


@task(name="observed.nap")
def nap(seconds: float) -> None:
    time.sleep(seconds)


if IS_OURS:

    @task(name="observed.slow_fail")
    async def slow_fail() -> None:
        raise ValueError("later")

else:

    @task(name="observed.slow_fail")
    def slow_fail() -> None:
        raise ValueError("later")


@app.post("/send")
def send() -> list[str]:
    single = [one.delay() for one in (fail, expected, again, flaky, slow_fail, parent)]
    pair = chain(add.s(1, 2), add.s(4))()
    both = chord([add.s(1, 1), add.s(2, 2)])(total.s())
    several = [*many([1, 2]), *group(add.s(3, 3), add.s(4, 4))()]
    return [result.id for result in (add.delay(1, 2), *single, pair, both, *several)]


def many(numbers: list[int]) -> Any:
    """Send several at once, in the way that each kind of application has."""
    if IS_OURS:
        return add.enqueue_many([((number, number), {}) for number in numbers])
    return [add.delay(number, number) for number in numbers]


if IS_OURS:
    app.config.update(
        CELERY_BROKER_URL=URL, CELERY_RESULT_BACKEND=URL, CELERY_BEAT_SCHEDULE=SCHEDULE
    )
    celeriac.init_app(app)
    celery: Celery = app.extensions["celery"]
else:
    celery = plain


def main() -> None:
    with app.test_client() as client:
        ids = client.post("/send").json
    for id_ in ids:
        celery.AsyncResult(id_).get(propagate=False, timeout=WAIT_S)
    child = celery.AsyncResult(ids[6]).get(timeout=WAIT_S)
    celery.AsyncResult(child).get(timeout=WAIT_S)


if __name__ == "__main__":
    main()
