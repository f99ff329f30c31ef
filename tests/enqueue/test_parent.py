"""Who sends a task is known from the first task on that runs in a process, however it runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
from celery import Celery, signals
from celery.contrib.testing.worker import start_worker
from flask import Flask
from flask_celeriac import Celeriac

url, runs_in = sys.argv[1:]
celeriac = Celeriac()


@celeriac.task(name="sent")
def sent():
    pass


def send_two():
    return [sent.delay().id, sent.delay().id]


@celeriac.task(name="outer")
def outer():
    return send_two()


flask_app = Flask("parents")
flask_app.config["CELERY"] = {"broker_url": url, "result_backend": url}
celeriac.init_app(flask_app)
other = Celery("other", broker="memory://", backend="cache+memory://", set_as_current=False)


@other.task(name="foreign", shared=False)
def foreign():
    return send_two()


before = [sent.delay().id] if runs_in.endswith("late") else []
if runs_in.startswith("eager"):
    parent = outer.apply()
    ids = parent.get()
elif runs_in.startswith("foreign"):
    parent = foreign.apply()
    ids = parent.get()
else:
    with start_worker(other, perform_ping_check=False, shutdown_timeout=30):
        parent = foreign.delay()
        ids = parent.get(timeout=20)
after = sent.delay().id
with flask_app.extensions["celery"].connection_for_read() as connection:
    queue = connection.SimpleQueue("celery")
    headers = [queue.get(timeout=5).headers for _ in range(len(before) + 3)]
names = {parent.id: "parent", None: None}
found = {each["id"]: [names[each["parent_id"]], each["root_id"] == parent.id] for each in headers}
print(json.dumps([[found[id_] for id_ in each] for each in (before, ids, [after])]))
assert not signals.task_prerun.receivers
"""


@pytest.mark.parametrize(
    "runs_in", ["eager", "eager, late", "foreign", "foreign, late", "worker", "worker, late"]
)
def test_who_sends_is_known_from_the_first_task_on(redis_url: str, runs_in: str) -> None:
    command = [sys.executable, "-c", PROGRAM, redis_url, runs_in]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    before, inside, after = json.loads(done.stdout.splitlines()[-1])
    assert inside == [["parent", True]] * 2
    assert before == [[None, False]] * ("late" in runs_in)
    assert after == [[None, False]]
