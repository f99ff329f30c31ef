"""Real workers, whose results are kept by our backend, and by the stock one for ours to read."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery, chain, chord, group
from celery.exceptions import ChordError

from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.record.urls import ours

WAIT_S = 30


@pytest.fixture(
    scope="module",
    params=[("ours", "prefork"), ("ours", "threads"), ("ours", "gevent"), ("stock", "prefork")],
    ids="-".join,
)
def app(request: pytest.FixtureRequest, redis_server: EmbeddedServer) -> Iterator[Celery]:
    """An app that sends, and waits through our backend, while a worker works."""
    worker_backend, pool = request.param
    url = f"{redis_server.url.rpartition('/')[0]}/15"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    backend = ours(url) if worker_backend == "ours" else url
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "celery", "-A", "worked", "worker",
         "-P", pool, "-c", "3", "--without-gossip", "--without-mingle"],
        cwd=Path(__file__).parent,
        env={**os.environ, "WORKED_BROKER": url, "WORKED_BACKEND": backend},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    yield Celery("worked", broker=url, backend=ours(url), set_as_current=False)
    process.terminate()
    process.wait(30)


def task(app: Celery, name: str, *args: Any, **options: Any) -> Any:
    return app.signature(name, args=args, **options)


def test_results_states_and_failures_come_back(app: Celery) -> None:
    seen: list[str] = []
    assert task(app, "add", 1, 2).delay().get(timeout=WAIT_S) == 3
    assert task(app, "again").delay().get(timeout=WAIT_S) == 1
    with pytest.raises(ValueError, match="no"):
        task(app, "fail").delay().get(timeout=WAIT_S)
    steps = task(app, "steps").delay()
    assert steps.get(timeout=WAIT_S, on_message=lambda meta: seen.append(meta["status"])) == "all"
    assert seen[-1] == "SUCCESS"
    assert steps.name == "steps"


def test_groups_chains_and_chords_come_back(app: Celery) -> None:
    adds = [task(app, "add", n, n) for n in range(5)]
    numbers = [0, 2, 4, 6, 8]
    assert group(adds, app=app)().get(timeout=WAIT_S) == numbers
    assert chord(adds, app=app)(task(app, "total")).get(timeout=WAIT_S) == 20
    two = chain(task(app, "add", 1, 2), task(app, "add", 4), app=app)()
    assert two.get(timeout=WAIT_S) == 7
    assert two.parent.get(timeout=WAIT_S) == 3
    nested = chord([group(adds[:2], app=app), adds[2]], app=app)(task(app, "total"))
    assert nested.get(timeout=WAIT_S) == 6


def test_a_failed_header_fails_the_chord(app: Celery) -> None:
    header = [task(app, "add", 1, 1), task(app, "fail")]
    # The header's own error, if it is there before the wait begins.
    with pytest.raises((ChordError, ValueError), match="no"):
        chord(header, app=app)(task(app, "total")).get(timeout=WAIT_S)


def test_a_failed_link_ends_the_wait_for_the_last_one(app: Celery) -> None:
    broken = chain(task(app, "fail"), task(app, "add", 4), app=app)()
    with pytest.raises(ValueError, match="no"):
        broken.get(timeout=WAIT_S)


def test_a_task_may_wait_for_another(app: Celery) -> None:
    # One at a time: Celery's leave to wait inside a task is one for all threads of a process.
    for n in range(2):
        assert task(app, "wait_for_add", n).delay().get(timeout=WAIT_S) == n + 1


def test_many_results_come_back_from_many_threads(app: Celery) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def round_trip(n: int) -> int:
        return int(task(app, "add", n, 1).delay().get(timeout=WAIT_S))

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(round_trip, range(200))) == [n + 1 for n in range(200)]
