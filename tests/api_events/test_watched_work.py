"""What a real worker does, as its watchers see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from server_sent import Frame, frames_of

HERE = Path(__file__).parent
RunWorker = Callable[..., AbstractContextManager[None]]


@pytest.fixture(params=["threads", "prefork"])
def app(
    request: pytest.FixtureRequest,
    flask_worker: RunWorker,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Flask]:
    """The application of `watched_work`, with a worker."""
    import watched_work

    monkeypatch.setenv("WORK_URL", redis_url)
    app = watched_work.create_app()
    with flask_worker(HERE, "watched_work", request.param, tmp_path / "log"):
        yield app
    app.extensions["celery"].close()


def watch(app: Flask, task: Any, *args: Any) -> list[Frame]:
    """Send a task and read its events until the end."""
    with app.app_context():
        id_ = task.delay(*args).id
    response = app.test_client().get(f"/tasks/{id_}/events", buffered=False)
    return [frame for frame in frames_of(response.response) if frame.kind]


def test_watchers_see_all_that_a_worker_does(app: Flask) -> None:
    import watched_work

    counted = watch(app, watched_work.count, 200)
    assert [frame.number for frame in counted] == list(range(1, len(counted) + 1))
    assert [frame.data["current"] for frame in counted[1:-1]] == list(range(201))
    assert counted[-1].data["progress"]["percent"] == 100.0
    assert counted[-1].data["result"] == 200

    retried = watch(app, watched_work.again)
    states = [frame.data.get("state") for frame in retried]
    assert states == ["STARTED", "RETRY", "STARTED", "SUCCESS"]
    assert retried[-1].data["attempts"] == 2

    stumbled = watch(app, watched_work.stumble)
    assert [frame.kind for frame in stumbled] == ["state", "progress", "progress", "end"]
    assert stumbled[-1].data["error"] == {"type": "ValueError", "message": "no way on"}
    assert stumbled[-1].data["progress"]["current"] == 2
