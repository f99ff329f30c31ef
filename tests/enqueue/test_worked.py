"""What is sent past Celery is run by a worker, and its results arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import chain, group
from celery._state import _set_task_join_will_block
from celery.contrib.testing.worker import start_worker
from flask import Flask

from flask_celeriac import Celeriac


@pytest.fixture
def fan_out(celeriac: Celeriac, add: Any) -> Any:
    @celeriac.task(name="fan_out", bind=True)
    def fan_out(self: Any, count: int) -> list[str]:
        add.enqueue_many(((n,), {}) for n in range(count))
        group(add.s(n) for n in range(count)).delay()
        return [self.request.id, *(child.id for child in self.request.children)]

    return fan_out


@pytest.fixture(autouse=True)
def worker(make_app: Callable[..., Flask], add: Any, fan_out: Any) -> Iterator[Any]:
    celery = make_app().extensions["celery"]
    with start_worker(celery, perform_ping_check=False, loglevel="info"):
        yield
    # The worker's pool leaves this set for the whole process.
    _set_task_join_will_block(False)


def test_one_task_is_run_at_once_or_later(add: Any) -> None:
    assert add.delay(1, y=2).get(timeout=10) == 3
    assert add.apply_async((1,), countdown=0.1).get(timeout=10) == 1


def test_each_of_many_is_run(add: Any) -> None:
    results = add.enqueue_many([((n,), {"y": 1}) for n in range(60)])
    assert [one.get(timeout=20) for one in results] == list(range(1, 61))


def test_a_group_is_run_alone_and_at_the_end_of_a_chain(add: Any) -> None:
    assert group(add.s(n) for n in range(10))().get(timeout=20) == list(range(10))
    links = chain(add.s(1), group(add.s(1), add.s(2)))
    assert links().get(timeout=20) == [2, 3]


def test_a_task_that_sends_many_knows_its_children(fan_out: Any) -> None:
    result = fan_out.delay(3)
    _, *children = result.get(timeout=20)
    assert len(children) == 4  # the group is one
    assert sum(one.get(timeout=20) for one in result.children[:3]) == 3
    assert result.children[3].get(timeout=20) == [0, 1, 2]
