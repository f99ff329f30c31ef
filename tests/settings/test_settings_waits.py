"""What the safe profile does with real sockets: senders give up soon, workers never."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from kombu.exceptions import OperationalError

# The promise is 2 s; the rest is for a busy machine.
SOON_S = 3.0

WORKER = """
from celery import Celery
from celery.signals import celeryd_init
from flask_celeriac.settings import read_settings

settings = read_settings({"CELERY_BROKER_URL": %r, "CELERY_RESULT_BACKEND": %r}, is_production=True)
app = Celery("waiting")
app.conf.update(settings.celery)

@celeryd_init.connect(weak=False)
def wait_longer(conf=None, **_):
    conf.update(settings.worker)

@app.task(name="times")
def times():
    broker = app.conf.broker_transport_options
    return [broker["socket_timeout"], app.backend.connparams["socket_timeout"]]
"""


@pytest.fixture
def sender(read) -> Callable[..., Any]:
    """A task of a Celery app that sends with the safe profile."""

    def sender(broker: str, backend: str) -> Any:
        app = Celery("sender", set_as_current=False)
        config = {"CELERY_BROKER_URL": broker, "CELERY_RESULT_BACKEND": backend}
        app.conf.update(read(config, is_production=True).celery)

        @app.task(name="times", shared=False)
        def times() -> None:
            """Run elsewhere."""

        return times

    return sender


def seconds_until_error(task: Any, **options: Any) -> float:
    """Send a task that can not be sent; gives how long that took."""
    started = time.monotonic()
    # Celery's result backend wraps its connection error in a RuntimeError.
    with pytest.raises((OperationalError, RuntimeError)):
        task.apply_async(**options)
    return time.monotonic() - started


@pytest.mark.parametrize("place", ["refusing_url", "silent_url"])
def test_sending_fails_soon_when_the_broker_is_down(sender, request, place):
    url = request.getfixturevalue(place)
    task = sender(url, url)
    assert seconds_until_error(task, ignore_result=True) < SOON_S
    assert seconds_until_error(task, ignore_result=True) < SOON_S


@pytest.mark.parametrize("place", ["refusing_url", "silent_url"])
def test_sending_fails_soon_when_the_result_backend_is_down(sender, request, redis_url, place):
    task = sender(redis_url, request.getfixturevalue(place))
    assert seconds_until_error(task) < SOON_S


@pytest.mark.parametrize("place", ["refusing_url", "silent_url"])
def test_sending_fails_soon_when_rabbitmq_is_down(sender, request, place):
    url = request.getfixturevalue(place).replace("redis://", "amqp://").rpartition("/")[0] + "//"
    assert seconds_until_error(sender(url, "rpc://"), ignore_result=True) < SOON_S


def test_sending_fails_soon_when_redis_stops_answering_after_it_was_used(sender, own_server):
    task = sender(own_server.url, own_server.url)
    task.delay()
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        assert seconds_until_error(task) < SOON_S
        assert seconds_until_error(task) < SOON_S
    finally:
        os.kill(own_server.pid, signal.SIGCONT)


@pytest.mark.slow
def test_an_idle_worker_stays_quiet_and_takes_work_after_the_server_stood_still(
    sender, own_server, tmp_path, wait_until
):
    (tmp_path / "waiting.py").write_text(WORKER % (own_server.url, own_server.url))
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "waiting", "worker", "-c", "1", "-l", "INFO"]
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [*command, "--without-mingle"], cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until(lambda: "ready." in log.read_text(), 30)
        idle_until = time.monotonic() + 30
        wait_until(lambda: time.monotonic() > idle_until or worker.poll() is not None, 35)
        task = sender(own_server.url, own_server.url)
        assert task.delay().get(timeout=10) == [10.0, 10.0]
        os.kill(own_server.pid, signal.SIGSTOP)
        still_until = time.monotonic() + 5
        wait_until(lambda: time.monotonic() > still_until, 6)
        os.kill(own_server.pid, signal.SIGCONT)
        assert task.delay().get(timeout=10) == [10.0, 10.0]
        logged = log.read_text()
        assert "ERROR" not in logged
        assert "Traceback" not in logged
        assert "Connection to broker lost" not in logged
    finally:
        worker.terminate()
        worker.wait(30)
