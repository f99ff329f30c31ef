"""Runs in real workers: prefork, threads, gevent and solo."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from celery.exceptions import SoftTimeLimitExceeded

APPLICATIONS = Path(__file__).parents[1] / "applications"
FRESH = {"app": "sample", "is_fresh": True, "has_request": False}


@pytest.fixture(scope="module")
def sample(redis_server, tmp_path_factory):
    """The sample app, in this process."""
    url = f"{redis_server.url.rpartition('/')[0]}/15"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    database = f"sqlite:///{tmp_path_factory.mktemp('sample')}/notes.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMPLE_URL", url)
        patch.setenv("SAMPLE_DATABASE", database)
        patch.syspath_prepend(APPLICATIONS)
        module = importlib.import_module("sample")
        yield module
    module.traces.close()
    with module.flask_app.app_context():
        module.db.engine.dispose()


@pytest.fixture(scope="module", params=["prefork", "threads", "gevent", "solo"], autouse=True)
def pool(request, sample, tmp_path_factory):
    """The name of a pool, a worker of which runs in a process of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    command = [sys.executable, "-m", "celery", "-A", "sample:my_celery", "worker"]
    command += ["--pool", request.param, "--concurrency", "2", "--loglevel", "info"]
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            command,
            cwd=APPLICATIONS,
            env={**os.environ, "CELERIAC_STATE_DIR": str(folder / "state")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    yield request.param
    worker.send_signal(signal.SIGTERM)
    try:
        assert worker.wait(timeout=30) == 0, (folder / "worker.log").read_text()
    finally:
        worker.kill()
        worker.wait()


@pytest.fixture
def torn_down(sample, wait_until):
    """A function that gives the errors with which the contexts of a task were torn down."""

    def errors(task_id: str, count: int = 1) -> list[str]:
        # The result is stored before the context ends.
        wait_until(lambda: sample.traces.llen(f"teardown:{task_id}") >= count)
        return sample.traces.lrange(f"teardown:{task_id}", 0, -1)

    return errors


@pytest.mark.parametrize("name", ["see", "see_shared"])
def test_each_run_has_a_fresh_context_that_is_torn_down(sample, torn_down, name):
    task = getattr(sample, name)
    with sample.flask_app.app_context():
        results = [task.delay() for _ in range(6)]
    for result in results:
        assert result.get(timeout=20) == FRESH
        assert torn_down(result.id) == ["NoneType"]


def test_what_waits_follows_at_once_upon_what_has_ended(sample):
    with sample.flask_app.app_context():
        sample.see.delay().get(timeout=20)
        began_s = time.monotonic()
        results = [sample.see.delay() for _ in range(20)]
    for result in results:
        result.get(timeout=20)
    # Two at a time; an event loop that is not woken turns once a second.
    assert time.monotonic() - began_s < 3


@pytest.mark.parametrize("name", ["fail", "fail_shared"])
def test_a_failed_run_is_torn_down_with_its_error(sample, torn_down, wait_until, name):
    with sample.flask_app.app_context():
        result = getattr(sample, name).delay()
    with pytest.raises(ValueError, match="as asked"):
        result.get(timeout=20)
    assert torn_down(result.id) == ["ValueError"]
    wait_until(lambda: sample.traces.get(f"on_failure:{result.id}") == "sample")


def test_each_attempt_of_a_retried_run_is_torn_down(sample, torn_down):
    result = sample.retry_once.delay()
    assert result.get(timeout=20) == FRESH
    # The second attempt may run in the other slot, before the first is torn down.
    assert sorted(torn_down(result.id, count=2)) == ["NoneType", "Retry"]


def test_a_run_over_its_soft_time_limit_is_torn_down(sample, torn_down, pool):
    if pool != "prefork":
        pytest.skip("only the prefork pool enforces time limits")
    result = sample.exceed.delay()
    with pytest.raises(SoftTimeLimitExceeded):
        result.get(timeout=20)
    assert torn_down(result.id) == ["SoftTimeLimitExceeded"]
    assert sample.traces.get(f"exceeded:{result.id}") == "sample"
    assert sample.see.delay().get(timeout=20) == FRESH


def test_coroutine_functions_run_on_a_loop_that_is_kept(sample, pool):
    if pool == "gevent":
        with pytest.raises(Exception, match="--pool prefork"):
            sample.see_async.delay().get(timeout=20)
        return
    loops: dict[int, set[int]] = {}
    for result in [sample.see_async.delay() for _ in range(8)]:
        seen = result.get(timeout=20)
        assert seen["is_fresh"]
        loops.setdefault(seen["pid"], set()).add(seen["loop"])
    most = 2 if pool == "threads" else 1
    assert all(len(of_process) <= most for of_process in loops.values())


def test_a_broken_session_leaves_the_next_run_clean(sample):
    for _ in range(4):
        with pytest.raises(Exception, match=r"no such statement|syntax error"):
            sample.break_session.delay().get(timeout=20)
    for _ in range(4):
        used = sample.use_session.delay("hello").get(timeout=20)
        assert used["is_clean"]
        # What the run before flushed and did not commit is gone.
        assert used["notes"] == 1


def test_no_database_connection_is_shared_across_a_fork(sample):
    for result in [sample.connection_of.delay() for _ in range(6)]:
        used = result.get(timeout=20)
        assert used["opened_by"] == used["pid"]


def test_a_worker_waits_longer_for_its_broker_than_a_sender(sample):
    assert sample.patience.run() < 1
    assert sample.patience.delay().get(timeout=20) > 5
