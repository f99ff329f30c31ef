"""A busy worker: few round trips, and every result is there, whatever its pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import redis
from busy_app import create_app, echo, fail, kill_once, large

from flask_celeriac.embedded import EmbeddedServer

WAIT_S = 30
POOLS = ["prefork", "threads", "solo", "gevent"]


@pytest.fixture(scope="module", params=POOLS)
def client(
    request: pytest.FixtureRequest,
    redis_server: EmbeddedServer,
    tmp_path_factory: pytest.TempPathFactory,
    flask_worker: Callable[..., AbstractContextManager[None]],
) -> Iterator[redis.Redis]:
    """The server of a worker of each pool; its application is the current one."""
    url = f"{redis_server.url.rpartition('/')[0]}/13"
    log = tmp_path_factory.mktemp(request.param) / "log"
    with redis.Redis.from_url(url) as client, pytest.MonkeyPatch.context() as patch:
        client.flushdb()
        patch.setenv("BUSY_URL", url)
        worker = flask_worker(Path(__file__).parent, "busy_app", request.param, log)
        with worker, create_app().app_context():
            echo.delay(0).get(timeout=WAIT_S)
            yield client


def scripts_called(client: redis.Redis) -> int:
    statistics = client.info("commandstats")
    return int(statistics.get("cmdstat_evalsha", {"calls": 0})["calls"])


def test_a_task_costs_less_than_one_round_trip(
    client: redis.Redis, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["client"] == "gevent":
        pytest.skip("a greenlet sends its end at once; only those that end together share a trip")
    before = scripts_called(client)
    results = echo.enqueue_many([((number,), {}) for number in range(1000)])
    assert [result.get(timeout=WAIT_S) for result in results] == list(range(1000))
    # Of which two are for sending, and some for the lease.
    assert scripts_called(client) - before < 1000


def test_large_results_and_errors_come_back(client: redis.Redis) -> None:
    assert large.delay().get(timeout=WAIT_S) == "x" * 300_000
    with pytest.raises(ValueError, match="no"):
        fail.delay().get(timeout=WAIT_S)


def test_groups_come_back(client: redis.Redis) -> None:
    from celery import chord, group

    parts = [echo.s(number) for number in range(20)]
    assert group(parts)().get(timeout=WAIT_S) == list(range(20))
    assert chord(parts)(echo.s()).get(timeout=WAIT_S) == list(range(20))


def test_a_task_that_ends_its_process_runs_again(
    client: redis.Redis, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if request.node.callspec.params["client"] != "prefork":
        pytest.skip("only in the prefork pool tasks have processes of their own")
    result = kill_once.delay(str(tmp_path / "killed"))
    results = echo.enqueue_many([((number,), {}) for number in range(100)])
    assert result.get(timeout=WAIT_S) == "second run"
    assert [each.get(timeout=WAIT_S) for each in results] == list(range(100))
