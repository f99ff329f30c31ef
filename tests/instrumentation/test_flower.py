"""Flower shows and steers our workers, over the broker's URL as people know it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from stage import Stage

Ask = Callable[..., Any]


@pytest.fixture(params=["ours", "attached"])
def stage(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[Stage]:
    """A worker with one process, which tells what it does."""
    stage = Stage(request.param, "", redis_url, tmp_path / request.param)
    stage.worker("prefork", "-E", "-n", "one@garden", slots=1)
    yield stage
    stage.end()


@pytest.fixture
def flower(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> Iterator[Ask]:
    """A function that asks Flower's API."""
    monkeypatch.setenv("FLOWER_UNAUTHENTICATED_API", "true")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ("celery", "-A", "observed:celery", "flower", "--address=127.0.0.1")
    stage.start(*command, f"--port={port}")

    with requests.Session() as session:
        session.trust_env = False

        def ask(path: str, body: Any = None, method: str = "GET") -> Any:
            url = f"http://127.0.0.1:{port}/{path}"
            answer = session.request(method, url, json=body, timeout=20)
            assert answer.ok, f"{path}: {answer.status_code} {answer.text}\n{stage.log}"
            return answer.json() if path.startswith("api") else answer.text

        def is_there() -> bool:
            try:
                return "one@garden" in ask("api/workers?refresh=true")
            except requests.ConnectionError:
                return False

        wait_until(is_there, 40)
        yield ask


def send(flower: Ask, task: str, *args: Any) -> str:
    sent = flower(f"api/task/send-task/{task}", {"args": args}, "POST")
    return str(sent["task-id"])


def test_flower_shows_workers_tasks_and_queues_and_revokes(
    flower: Ask, stage: Stage, wait_until: Callable[..., None]
) -> None:
    def state(id_: str) -> str | None:
        task = flower("api/tasks").get(id_)
        return task and task["state"]

    running = send(flower, "observed.nap", 300)
    wait_until(lambda: state(running) == "STARTED", 20)
    refused, *others = (send(flower, "observed.nap", 0) for _ in range(3))
    [queue] = flower("api/queues/length")["active_queues"]
    assert queue == {"name": "celery", "messages": 3}
    assert "redis://" in (page := flower("broker"))
    assert "celeriac-redis" not in page
    # Workers are asked in the background.
    wait_until(
        lambda: "observed.nap" in flower("api/workers")["one@garden"].get("registered", ()), 20
    )

    flower(f"api/task/revoke/{refused}", method="POST")
    flower(f"api/task/revoke/{running}?terminate=true", method="POST")
    wait_until(lambda: all(state(id_) == "SUCCESS" for id_ in others), 20)
    wait_until(lambda: state(running) == state(refused) == "REVOKED", 20)
    done = flower(f"api/task/result/{others[0]}")
    assert (done["state"], done["result"]) == ("SUCCESS", None)
