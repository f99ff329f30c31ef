"""A worker is well while it looks for work, not only while it exists."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from celery import Celery
from relay import Relay
from watched import Watched

Start = Callable[..., Watched]
Send = Callable[..., str]


def test_an_idle_worker_becomes_healthy_and_leaves_no_file_behind(start: Start) -> None:
    worker = start("worker", "-c", "1")
    worker.wait_until(0, 20, "0 of 1 slots busy")
    assert worker.stop() == 0
    assert not list(worker.state.iterdir())


def test_a_frozen_worker_is_ill_within_twelve_seconds(start: Start) -> None:
    worker = start("worker", "-c", "1")
    worker.wait_until(0, 20)
    worker.process.send_signal(signal.SIGSTOP)
    assert worker.wait_until(1, 15, "last beat") < 12.5
    worker.process.send_signal(signal.SIGCONT)
    worker.wait_until(0, 10)


def test_a_killed_worker_is_gone_at_once(start: Start) -> None:
    worker = start("worker", "-c", "1")
    worker.wait_until(0, 20)
    worker.stop(signal.SIGKILL)
    worker.wait_until(1, 2, "is gone")


@pytest.mark.slow
def test_a_worker_whose_queue_is_cancelled_becomes_ill(
    start: Start, send: Send, redis_url: str
) -> None:
    worker = start("worker", "-c", "1")
    worker.wait_until(0, 20)
    Celery(broker=redis_url, set_as_current=False).control.cancel_consumer("celery", reply=True)
    send("nap", 0)
    assert 20 < worker.wait_until(1, 45, "consumes from no queue") < 40


@pytest.mark.slow
def test_a_worker_that_silently_stopped_consuming_becomes_ill(start: Start, send: Send) -> None:
    worker = start("worker", "-c", "1", DEAF="1")
    worker.wait_until(0, 20)
    send("nap", 0)
    send("nap", 0)  # the first may be taken by the poll that was under way
    assert 20 < worker.wait_until(1, 45, "none is taken") < 40


_BUSY = [("prefork", "nap"), ("threads", "nap"), ("solo", "nap"), ("gevent", "nap")]


@pytest.mark.slow
def test_workers_whose_slots_are_busy_for_long_stay_healthy(start: Start, send: Send) -> None:
    workers = []
    for pool, task in [*_BUSY, ("gevent", "compute")]:
        queue = f"{pool}-{task}"
        worker = start("worker", "-P", pool, "-c", "1", "-Q", queue, "-n", f"{queue}@here")
        worker.wait_until(0, 20, f"{queue}@here")
        send(task, 70, queue=queue)
        send("nap", 0, queue=queue)  # waits in the queue all the time
        workers.append(worker)
    for worker in workers:
        worker.wait_until(0, 15, "1 of 1 slots busy")
    workers[0].stays_healthy(40)  # as one state folder holds them all, so does one probe


@pytest.mark.slow
def test_a_worker_without_its_broker_is_ill_until_the_broker_is_back(
    start: Start, relayed_url: str, open_relay: Callable[[], Relay]
) -> None:
    worker = start("worker", "-c", "1", url=relayed_url)
    worker.wait_until(1, 20, "starting")
    relay = open_relay()
    worker.wait_until(0, 40)
    relay.close()
    assert 20 < worker.wait_until(1, 45, "no connection") < 40
    open_relay()
    worker.wait_until(0, 60)


@pytest.mark.slow
def test_a_stopping_worker_that_finishes_its_task_stays_healthy(start: Start, send: Send) -> None:
    worker = start("worker", "-c", "1")
    worker.wait_until(0, 20)
    send("nap", 12)
    worker.wait_until(0, 15, "1 of 1 slots busy")
    worker.process.send_signal(signal.SIGTERM)
    worker.wait_until(0, 5, "stopping")
    worker.stays_healthy(5)
    assert worker.process.wait(timeout=30) == 0
    assert not list(worker.state.iterdir())


def test_a_worker_without_a_writable_folder_works_and_says_so(start: Start, send: Send) -> None:
    worker = start("worker", "-c", "1", CELERIAC_STATE_DIR="/proc/nowhere")
    deadline_s = time.monotonic() + 20
    while " ready." not in worker.log.read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    assert "health probes will fail" in worker.log.read_text()
    assert worker.stop() == 0
