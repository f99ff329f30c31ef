"""A cancellation outlives the workers, on our transport and on Celery's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from celery.exceptions import TaskRevokedError
from journal_app import celeriac, create_app, write

from flask_celeriac.record.journal.find import journal_of

WAIT_S = 30


@pytest.fixture(params=["celeriac", "kombu"])
def transport(
    request: pytest.FixtureRequest, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """An application on each transport, which is the current one."""
    monkeypatch.setenv("JOURNAL_CELERY_BROKER_URL", redis_url)
    monkeypatch.setenv("JOURNAL_CELERY_RESULT_BACKEND", redis_url)
    monkeypatch.setenv("JOURNAL_CELERIAC_TRANSPORT", request.param)
    with create_app().app_context():
        yield str(request.param)


def test_a_task_that_was_cancelled_while_no_worker_ran_never_starts(
    transport: str,
    tmp_path: Path,
    flask_worker: Callable[..., AbstractContextManager[None]],
) -> None:
    cancelled = [write.delay(str(tmp_path / f"mark{number}")) for number in range(10)]
    after = write.delay(str(tmp_path / "after"))
    for result in cancelled:
        celeriac.cancel(result, reason="not needed", by="ann")
    with flask_worker(Path(__file__).parent, "journal_app", "threads", tmp_path / "log"):
        after.get(timeout=WAIT_S)
        # Celery's own backend says no more than that; who it was is in the journal.
        said = "cancelled by ann: not needed" if transport == "celeriac" else "revoked"
        for result in cancelled:
            with pytest.raises(TaskRevokedError, match=said):
                result.get(timeout=WAIT_S)
    wishes = [journal_of(celeriac.celery).cancellation(result.id) for result in cancelled]
    assert {str(wish) for wish in wishes} == {"cancelled by ann: not needed"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("mark")] == []
