"""Tasks that tell of their progress and are cancelled, in real workers of each pool."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery.exceptions import TaskRevokedError
from journal_app import (
    celeriac,
    count,
    count_unseen,
    create_app,
    listen_not,
    send,
    tell_nonsense,
    tell_too_much,
    try_twice,
    wait,
    write,
)

from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.record.journal.facts import Seen
from flask_celeriac.record.journal.find import journal_of

WAIT_S = 30
POOLS = ["prefork", "threads", "solo", "gevent"]
ENDS_TASKS = ("prefork", "gevent")


@pytest.fixture(scope="module", params=POOLS)
def pool(
    request: pytest.FixtureRequest,
    redis_server: EmbeddedServer,
    tmp_path_factory: pytest.TempPathFactory,
    flask_worker: Callable[..., AbstractContextManager[None]],
) -> Iterator[str]:
    """A worker of each pool, by its name; its application is the current one."""
    url = f"{redis_server.url.rpartition('/')[0]}/12"
    log = tmp_path_factory.mktemp(request.param) / "log"
    with redis.Redis.from_url(url) as client, pytest.MonkeyPatch.context() as patch:
        client.flushdb()
        patch.setenv("JOURNAL_CELERY_BROKER_URL", url)
        patch.setenv("JOURNAL_CELERY_RESULT_BACKEND", url)
        worker = flask_worker(Path(__file__).parent, "journal_app", request.param, log)
        with worker, create_app().app_context():
            count.delay(1).get(timeout=WAIT_S)
            yield str(request.param)


def look(result: Any) -> Seen:
    return journal_of(celeriac.celery).look(result.id)


def kinds(result: Any) -> list[str]:
    events = journal_of(celeriac.celery).events(result.id).items
    return [f"{each.kind} {each.data.get('state', '')}".strip() for each in events]


def test_the_first_and_the_last_progress_are_told_and_few_between(pool: str) -> None:
    result = count.delay(20_000)
    assert result.get(timeout=WAIT_S) == 20_000
    events = journal_of(celeriac.celery).events(result.id).items
    told = [each.data for each in events if each.kind == "progress"]
    assert (told[0]["current"], told[-1]["current"]) == (0, 20_000)
    assert (told[-1]["percent"], told[-1]["eta_s"], told[-1]["message"]) == (100, 0, "counting")
    assert len(told) < 200


def test_what_is_known_of_a_run(pool: str) -> None:
    result = count.delay(2)
    result.get(timeout=WAIT_S)
    seen = look(result)
    assert seen.entry is not None
    assert seen.meta is not None
    assert (seen.entry.attempts, seen.meta["status"]) == (1, "SUCCESS")
    assert seen.entry.started_at is not None
    assert kinds(result)[0] == "state STARTED"


def test_progress_of_a_task_that_is_not_exposed_is_in_its_result(
    pool: str, wait_until: Callable[..., None]
) -> None:
    messages: list[Any] = []
    result = count_unseen.delay(30_000)
    assert result.get(timeout=WAIT_S, on_message=messages.append) == 30_000
    told = [each["result"] for each in messages if each["status"] == "PROGRESS"]
    assert all(each["step"] == "mail" for each in told)
    assert look(result).entry is None


def test_nonsense_as_progress_does_not_fail_the_task(pool: str) -> None:
    assert tell_nonsense.delay().get(timeout=WAIT_S) == "done"


def test_what_is_too_much_is_left_out_of_progress(pool: str) -> None:
    result = tell_too_much.delay()
    assert result.get(timeout=WAIT_S) == "done"
    entry = look(result).entry
    assert entry is not None
    assert entry.progress is not None
    assert "rows" not in entry.progress
    assert entry.progress["current"] == 1
    assert len(entry.progress["message"]) == 1000


def test_attempts_are_counted_over_retries(pool: str) -> None:
    result = try_twice.delay()
    assert result.get(timeout=WAIT_S) == 1
    seen = look(result)
    assert seen.entry is not None
    assert seen.entry.attempts == 2
    assert kinds(result) == ["state STARTED", "state RETRY", "state STARTED"]


def test_a_running_task_that_is_cancelled_ends_itself(
    pool: str, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    result = wait.delay(str(tmp_path / "ended"))
    wait_until(lambda: result.state == "PROGRESS")
    celeriac.cancel(result, reason="too slow", by="ann")
    with pytest.raises(TaskRevokedError, match="cancelled by ann: too slow"):
        result.get(timeout=WAIT_S)
    assert result.state == "REVOKED"
    assert (tmp_path / "ended").exists(), "its `finally` did not run"


def test_a_running_task_that_does_not_listen_is_ended_where_the_pool_can(
    pool: str, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    if pool not in ENDS_TASKS:
        pytest.skip("threads can not be ended from outside")
    result = listen_not.delay(str(tmp_path / "begun"))
    wait_until((tmp_path / "begun").exists)
    began_s = time.monotonic()
    celeriac.cancel(result, by="ann", terminate_after_s=1)
    with pytest.raises(TaskRevokedError, match="cancelled by ann"):
        result.get(timeout=WAIT_S)
    assert time.monotonic() - began_s < 25


def test_a_task_that_is_cancelled_before_it_starts_never_starts(
    pool: str, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    result = write.apply_async((str(tmp_path / "mark"),), countdown=1)
    celeriac.cancel(result, reason="not needed")
    with pytest.raises(TaskRevokedError, match="not needed"):
        result.get(timeout=WAIT_S)
    after = write.apply_async((str(tmp_path / "after"),), countdown=1.5)
    after.get(timeout=WAIT_S)
    assert not (tmp_path / "mark").exists()


def test_a_task_that_a_task_sends_is_known(pool: str) -> None:
    result = send.delay()
    child = write.AsyncResult(result.get(timeout=WAIT_S))
    child.get(timeout=WAIT_S)
    entry = look(child).entry
    assert entry is not None
    assert entry.name == "journal.write"


def test_tasks_that_are_sent_together_are_known(pool: str) -> None:
    results = count.enqueue_many([((1,), {}), ((2,), {})])
    assert [each.get(timeout=WAIT_S) for each in results] == [1, 2]
    assert all(look(each).entry is not None for each in results)
