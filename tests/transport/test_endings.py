"""Tasks that end otherwise than by returning, in real workers: their waiters hear how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from endings_app import add, create_app, exceed, keep, kill, requeue

from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.transport.redis.layout import Layout

WAIT_S = 30


@pytest.fixture(scope="module", params=["prefork", "threads"])
def worker(
    request: pytest.FixtureRequest,
    redis_server: EmbeddedServer,
    tmp_path_factory: pytest.TempPathFactory,
    flask_worker: Callable[..., AbstractContextManager[None]],
) -> Iterator[Path]:
    """The log of a worker of each pool; its application is the current one."""
    log = tmp_path_factory.mktemp(request.param) / "log"
    url = f"{redis_server.url.rpartition('/')[0]}/14"
    with redis.Redis.from_url(url) as client, pytest.MonkeyPatch.context() as patch:
        client.flushdb()
        patch.setenv("ENDINGS_URL", url)
        worker = flask_worker(Path(__file__).parent, "endings_app", request.param, log)
        with worker, create_app().app_context():
            yield log
        assert client.keys(f"{Layout().namespace}attempts") == []


@pytest.fixture
def pool(request: pytest.FixtureRequest, worker: Path) -> Any:
    return request.node.callspec.params["worker"]


def test_acknowledged_at_start_they_have_results_and_chains_go_on(worker: Path) -> None:
    assert add.delay(1, 2).get(timeout=WAIT_S) == 3
    chain = add.s(1, 2) | add.s(3) | add.s(4)
    assert chain.apply_async().get(timeout=WAIT_S) == 10
    assert "late run" not in worker.read_text()


def test_over_a_hard_time_limit_they_fail(worker: Path, pool: str) -> None:
    if pool != "prefork":
        pytest.skip("only the prefork pool enforces time limits")
    with pytest.raises(TimeLimitExceeded):
        exceed.delay().get(timeout=WAIT_S)
    assert "late run" not in worker.read_text()


def test_with_their_process_they_fail_when_they_may_not_run_again(worker: Path, pool: str) -> None:
    if pool != "prefork":
        pytest.skip("only in the prefork pool tasks have processes of their own")
    with pytest.raises(WorkerLostError):
        kill.delay().get(timeout=WAIT_S)
    assert "late run" not in worker.read_text()


def test_kept_after_a_failure_they_are_dead_letters_of_which_waiters_hear(worker: Path) -> None:
    with pytest.raises(KeyError, match="kept"):
        keep.delay().get(timeout=WAIT_S)
    assert "late run" not in worker.read_text()


@pytest.mark.usefixtures("worker")
def test_rejected_to_be_run_again_they_are_marked_as_redelivered() -> None:
    assert requeue.delay().get(timeout=WAIT_S) == "received two times"
