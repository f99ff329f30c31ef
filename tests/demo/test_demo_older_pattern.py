"""Celery made first, joined by `init_celery(celery, app)`: the pattern of older projects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from demo_processes import Processes, broker, environment, free_port, get

OLDER = Path(__file__).with_name("older_pattern")


@pytest.fixture
def older(tmp_path: Path, redis_url: str) -> Iterator[Processes]:
    environ = environment(CELERIAC_STATE_DIR=str(tmp_path / "state"), **broker(redis_url))
    started = Processes(OLDER, tmp_path, environ)
    yield started
    started.kill_all()


@pytest.mark.parametrize(
    "command",
    [["celery", "-A", "service:my_celery"], ["flask", "--app", "service", "celery"]],
    ids=["celery", "flask-celery"],
)
def test_views_and_workers_share_the_celery_object_that_was_made_first(
    older: Processes, command: list[str]
) -> None:
    older.worker(*command, "worker", "--concurrency", "1")
    address = older.web("flask", "--app", "service", "run", path="/")
    hello = get(f"{address}/api/v1/hello-world")
    assert hello is not None
    assert hello.json() == {"info": "hello world"}
    assert requests.get(f"{address}/api/v1/greeting", timeout=20).json() == {
        "info": "hello from the app context"
    }
    assert requests.get(f"{address}/api/v1/third-time", timeout=20).json() == {"retries": 2}


def test_beat_sends_from_the_object_that_was_made_first(older: Processes) -> None:
    schedule = str(older.scratch / "schedule")
    command = ["celery", "-A", "service.my_celery", "beat", "-l", "DEBUG", "-s", schedule]
    beat = older.start(command)
    beat.wait_for("log-every-minute")


def test_the_object_is_the_app_s_celery_and_the_safe_profile_applies(
    ask_demo: Callable[..., Any],
) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    is_same, urls, is_late, names = ask_demo(
        """[
            service.flask_app.extensions["celery"] is service.my_celery,
            [service.my_celery.conf.broker_url, service.my_celery.conf.result_backend],
            service.my_celery.conf.task_acks_late,
            [name for name in service.my_celery.tasks if name.startswith("app.")],
        ]""",
        folder=OLDER,
        **broker(url),
    )
    assert is_same
    assert urls == [f"celeriac-{url}", f"celeriac-{url}"]
    assert is_late
    assert sorted(names) == ["app.tasks.greet", "app.tasks.log", "app.tasks.third_time"]
