"""Our pool of threads does what Celery's does, but for the futures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_celeriac.execute.request import ClaimEndedError
from flask_celeriac.execute.threads import TaskPool

WaitUntil = Callable[..., None]


@pytest.fixture
def pool() -> Iterator[Any]:
    pool: Any = TaskPool(2)
    pool.start()
    yield pool
    pool.stop()


def test_tasks_run_side_by_side_and_their_ends_are_told(pool: Any, wait_until: WaitUntil) -> None:
    meeting = threading.Barrier(2)
    said: list[tuple[Any, ...]] = []

    def meet(name: str) -> str:
        meeting.wait(10)
        return name

    for name in "ab":
        pool.apply_async(
            meet,
            args=(name,),
            accept_callback=lambda *about: said.append(("accepted", *about)),
            callback=lambda value: said.append(("ended", value)),
        )
    wait_until(lambda: len(said) == 4)
    assert {each[1] for each in said if each[0] == "ended"} == {"a", "b"}
    assert pool.info["threads"] == 2
    assert pool.info["max-concurrency"] == 2


@pytest.mark.parametrize("error", [ClaimEndedError("x"), ValueError("x"), SystemExit(1)])
def test_an_error_in_what_is_told_ends_no_thread(
    pool: Any, wait_until: WaitUntil, error: BaseException
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    ended: list[Any] = []
    for _ in range(5):
        pool.apply_async(int, accept_callback=refuse, callback=ended.append)
    pool.apply_async(int, args=("7",), callback=ended.append)
    wait_until(lambda: ended == [7])


def test_who_stops_waits_for_what_runs_and_begins_nothing_more(wait_until: WaitUntil) -> None:
    pool: Any = TaskPool(1)
    pool.start()
    may_end, ended, is_running = threading.Event(), [], threading.Event()

    def work() -> str:
        is_running.set()
        may_end.wait(10)
        return "done"

    pool.apply_async(work, callback=ended.append)
    pool.apply_async(lambda: "never", callback=ended.append)
    is_running.wait(10)
    stopping = threading.Thread(target=pool.stop)
    stopping.start()
    wait_until(lambda: pool._work.qsize() == 1)  # what waited is gone, the end is asked for
    may_end.set()
    stopping.join(10)
    assert ended == ["done"]
    assert not stopping.is_alive()
