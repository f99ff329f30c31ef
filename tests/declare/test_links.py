"""What follows a task is sent once, however often its message is run."""

from __future__ import annotations

import pytest
import redis
from celery import chain

runs: list[str] = []


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def tasks(celeriac):
    runs.clear()

    @celeriac.task(name="first")
    def first() -> str:
        runs.append("first")
        return "value"

    @celeriac.task(name="second")
    def second(value: str) -> None:
        runs.append(f"second {value}")

    return first, second


def publish_again(client: redis.Redis, body: bytes) -> None:
    """Put a message back as it was, as is done when its process is taken for dead."""
    client.lpush("celery", body)


@pytest.fixture
def body(celeriac, make_app, tasks, client):
    """A message of a chain's first task, which has run and sent the second."""
    app = make_app(celeriac=celeriac)
    first, second = tasks
    with app.app_context():
        chain(first.s(), second.s()).delay()
    [body] = client.lrange("celery", 0, -1)
    return app, body


def test_a_second_run_of_one_message_sends_no_second_link(
    body, client, run_worker, wait_until
) -> None:
    app, message = body
    publish_again(client, message)

    with run_worker(app):
        wait_until(lambda: runs.count("first") == 2 and "second value" in runs)
        wait_until(lambda: not client.keys("celeriac:1:claims:*") and not client.llen("celery"))

    assert runs.count("second value") == 1


def test_another_message_of_the_same_task_id_sends_its_own_link(
    celeriac, make_app, tasks, run_worker, wait_until
) -> None:
    app = make_app(celeriac=celeriac)
    first, second = tasks

    with run_worker(app), app.app_context():
        for _ in range(2):
            first.apply_async(task_id="chosen", link=second.s())
        wait_until(lambda: runs.count("second value") == 2)


def test_what_a_task_sends_itself_is_sent_each_time(
    celeriac, make_app, client, run_worker, wait_until
) -> None:
    app = make_app(celeriac=celeriac)
    runs.clear()

    @celeriac.task(name="child")
    def child() -> None:
        runs.append("child")

    @celeriac.task(name="parent")
    def parent() -> None:
        runs.append("parent")
        child.delay()

    with app.app_context():
        parent.delay()
    [message] = client.lrange("celery", 0, -1)
    publish_again(client, message)

    with run_worker(app):
        wait_until(lambda: runs.count("child") == 2)
