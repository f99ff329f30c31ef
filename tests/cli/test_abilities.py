"""What a pool can not do is said when its worker starts."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import redis
from command_line import CommandLine, wait_until
from flask import Flask

APP = """
from shop import celeriac, create_app


@celeriac.task(time_limit=5, soft_time_limit=4, rate_limit="10/m")
def limited() -> None:
    pass


@celeriac.task
def free() -> None:
    pass


app = create_app()
"""


@pytest.fixture
def log_of(line: CommandLine) -> Callable[..., str]:
    """Start a worker of the app above until it is ready; returns what it logged."""
    (line.folder / "limits_app.py").write_text(APP)

    def run(*options: str, **environment: str) -> str:
        words = ("flask", "--app", "limits_app", "celery", "worker", "--without-mingle", "-c", "1")
        worker = line.start(*words, *options, **environment)
        worker.wait_for(" ready.")
        assert worker.stop() == 0
        return worker.log.read_text()

    return run


def test_threads_keep_no_time_limits_and_replace_no_process(log_of: Callable[..., str]) -> None:
    config = {"CELERY_TASK_TIME_LIMIT": 30, "CELERY_WORKER_MAX_TASKS_PER_CHILD": 100}
    options = ("-P", "threads", "--max-memory-per-child", "1000")
    log = log_of(*options, SHOP_CONFIG=json.dumps(config), CELERIAC_PROCESSES="3")
    for said in (
        "The pool threads keeps no hard time limits, which are asked for by "
        "task_time_limit = 30 and limits_app.limited (5 s).",
        "The pool threads keeps no soft time limits, which are asked for by "
        "limits_app.limited (4 s).",
        "worker_max_tasks_per_child = 100 does nothing",
        "worker_max_memory_per_child = 1000 does nothing",
        "Rate limits count for each of the 3 workers, together 3 times as much: "
        "limits_app.limited (10/m).",
    ):
        assert said in log


def test_the_limits_of_one_call_are_named_when_it_runs(
    line: CommandLine, make_shop: Callable[..., Flask]
) -> None:
    worker = line.flask("worker", "-P", "threads", "-c", "1")
    worker.wait_for(" ready.")
    send = make_shop().extensions["celery"].send_task
    for number in (1, 2, 3):
        send("shop.multiply", (number, number), time_limit=7 if number > 1 else None)
    wait_until(lambda: worker.log.read_text().count("succeeded") == 3)
    assert worker.stop() == 0
    said = "This pool does not keep the time limits of a call of shop.multiply: 7 s."
    assert worker.log.read_text().count(said) == 1


def test_prefork_keeps_them_all(log_of: Callable[..., str]) -> None:
    config = {"CELERY_TASK_TIME_LIMIT": 30, "CELERY_TASK_SOFT_TIME_LIMIT": 20}
    log = log_of("-P", "prefork", SHOP_CONFIG=json.dumps(config))
    assert "WARNING" not in log
    assert "Rate limits" not in log


def test_gevent_keeps_hard_time_limits(line: CommandLine, redis_url: str) -> None:
    config = json.dumps({"CELERY_TASK_TIME_LIMIT": 1, "CELERY_TASK_SOFT_TIME_LIMIT": 0.5})
    worker = line.flask("worker", "-P", "gevent", SHOP_CONFIG=config)
    worker.wait_for(" ready.")
    assert "The pool gevent keeps no soft time limits" in worker.log.read_text()
    assert "hard time limits, which" not in worker.log.read_text()
    done = line.run("call", "shop.nap", "[60]", "--wait")
    assert "TimeLimitExceeded" in done.stdout + done.stderr
    with redis.Redis.from_url(redis_url) as client:
        wait_until(lambda: not list(client.scan_iter("celeriac:*:claims:*")))
    assert worker.stop() == 0
