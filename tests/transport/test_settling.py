"""Ends of claims travel together: who sends them, how many, and what becomes of failures."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis

from flask_celeriac.transport.redis.outcome import Ending, Outcome
from flask_celeriac.transport.redis.settling import Settling
from flask_celeriac.transport.redis.waiting import NOT_WAITING, Waiting


class Server:
    """Stands for a store: notes what it gets, and does as it is told."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.values: dict[int, Any] = {}
        self.waiting = NOT_WAITING
        self.act: Callable[[Sequence[tuple[int, Outcome | None]]], list[Ending]] = self.end_all

    @staticmethod
    def end_all(owed: Sequence[Any]) -> list[Ending]:
        return [Ending.ENDED] * len(owed)

    def finish(
        self,
        _: str,
        owed: Sequence[tuple[int, Outcome | None]],
        waiting: Waiting = NOT_WAITING,
    ) -> list[Ending]:
        self.waiting = waiting
        self.calls.append([number for number, _ in owed])
        endings = self.act(owed)
        self.values.update({number: outcome and outcome.value for number, outcome in owed})
        return endings


class Told:
    """An outcome that notes what is done with it."""

    def __init__(self, value: str = "1", error: Exception | None = None) -> None:
        self.stored, self.late = 0, 0
        self._error = error
        self.outcome = Outcome(b"key", value, 0, self._store, self._tell_late)

    def _store(self) -> None:
        self.stored += 1
        if self._error:
            raise self._error

    def _tell_late(self) -> None:
        self.late += 1


@pytest.fixture
def server() -> Any:
    return Server()


@pytest.fixture
def settling() -> Settling:
    return Settling("one")


def test_an_outcome_goes_with_the_end_of_its_claim(settling: Settling, server: Any) -> None:
    settling.bring(1, Told("a").outcome)
    settling.bring(2, Told("b").outcome)
    settling.take_back(2)
    settling.take_back(3)
    for number in (1, 2):
        settling.end(number)
    assert settling.numbers == {1, 2}
    settling.send(server)
    assert server.values == {1: "a", 2: None}
    assert settling.owed == 0


def test_who_waits_is_told_with_the_end_of_a_claim(settling: Settling, server: Any) -> None:
    settling.waiting = Waiting("one/0", ("q",))
    settling.end(1)
    settling.send(server)
    assert server.waiting is settling.waiting


def test_what_comes_while_one_sends_goes_with_the_next_portion(
    settling: Settling, server: Any
) -> None:
    is_sending, go_on = threading.Event(), threading.Event()

    def wait(owed: Sequence[Any]) -> list[Ending]:
        is_sending.set()
        assert go_on.wait(5)
        return Server.end_all(owed)

    server.act = wait
    settling.end(0)
    leader = threading.Thread(target=settling.send, args=(server,))
    leader.start()
    assert is_sending.wait(5)
    for number in range(1, 9):
        settling.end(number)
        settling.send(server)  # returns at once: somebody sends already
    go_on.set()
    leader.join(5)
    assert server.calls == [[0], list(range(1, 9))]


def test_portions_are_bounded_in_number_and_size(settling: Settling, server: Any) -> None:
    for number in range(1200):
        settling.end(number)
    assert settling.send_all(server)
    assert [len(call) for call in server.calls] == [500, 500, 200]

    server.calls.clear()
    for number in range(5):
        settling.bring(number, Told("x" * 600_000).outcome)
        settling.end(number)
    settling.send(server)
    assert server.calls == [[0], [1], [2], [3], [4]]


def test_what_could_not_be_sent_stays_owed_and_is_said_once(
    settling: Settling, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: object) -> list[Ending]:
        raise redis.ConnectionError("gone")

    told = Told()
    settling.bring(1, told.outcome)
    settling.end(1)
    server.act = refuse
    settling.send(server)
    assert not settling.send_all(server)
    assert settling.is_away
    assert [each.getMessage() for each in caplog.records] == [
        "Acknowledgements wait until the broker answers: gone"
    ]
    # It may have arrived the first time: that it is there no more says nothing.
    server.act = lambda owed: [Ending.LATE] * len(owed)
    assert settling.send_all(server)
    assert not settling.is_away
    assert told.late == 0
    assert len(caplog.records) == 1


def test_a_late_end_is_told(
    settling: Settling, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    settling.bring(1, told.outcome)
    for number in (1, 2, 3):
        settling.end(number)
    server.act = lambda _: [Ending.LATE, Ending.ENDED, Ending.LATE]
    settling.send(server)
    assert told.late == 1
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "2 tasks ended after this process had been taken for dead"
    )


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_an_outcome_that_needs_it_is_stored_apart_and_then_its_claim_ends(
    settling: Settling, server: Any, caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    told = Told(error=error)
    settling.bring(1, told.outcome)
    settling.end(1)
    server.act = lambda owed: [Ending.APART if o else Ending.ENDED for _, o in owed]
    settling.send(server)
    assert (told.stored, server.calls) == (1, [[1], [1]])
    assert settling.owed == 0
    assert [each.levelno for each in caplog.records] == ([logging.ERROR] if error else [])


def test_one_bad_outcome_does_not_keep_the_others(settling: Settling, server: Any) -> None:
    told = [Told() for _ in range(3)]
    ended: set[int] = set()

    def break_off(owed: Sequence[tuple[int, Outcome | None]]) -> list[Ending]:
        endings = []
        for number, outcome in owed:
            if number == 1 and outcome:
                raise redis.ResponseError("WRONGTYPE")
            endings.append(Ending.LATE if number in ended else Ending.ENDED)
            ended.add(number)
        return endings

    for number, each in enumerate(told):
        settling.bring(number, each.outcome)
        settling.end(number)
    server.act = break_off
    settling.send(server)
    assert ended == {0, 1, 2}
    assert [each.stored for each in told] == [0, 1, 0]
    assert [each.late for each in told] == [0, 0, 0]


def test_an_error_that_no_outcome_explains_keeps_all(settling: Settling, server: Any) -> None:
    def refuse(_: object) -> list[Ending]:
        raise redis.ResponseError("unknown command")

    settling.end(1)
    server.act = refuse
    settling.send(server)
    assert settling.owed > 0
    assert settling.is_away
