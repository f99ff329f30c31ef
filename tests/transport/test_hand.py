"""How many messages a process takes ahead of its slots, and in which order they leave."""

from __future__ import annotations

import pytest

from flask_celeriac.transport.redis.hand import Hand
from flask_celeriac.transport.redis.replies import Delivery


def delivery(number: int, queue: str = "q") -> Delivery:
    return Delivery(queue, number, 0, b"")


@pytest.fixture
def hand() -> Hand:
    """A hand with three messages."""
    found = Hand(0.1)
    found.put([delivery(1), delivery(2, "other"), delivery(3)])
    return found


def numbers(deliveries: list[Delivery]) -> list[int]:
    return [each.number for each in deliveries]


def test_messages_leave_in_their_order(hand: Hand) -> None:
    first = hand.take()
    assert first is not None
    assert first.number == 1
    hand.put_back([first])
    hand.put([delivery(4)])
    assert numbers(hand.take_last(2)) == [3, 4]
    assert numbers(hand.take_last(9)) == [1, 2]
    assert hand.take() is None
    assert len(hand) == 0


def test_it_says_what_there_is(hand: Hand) -> None:
    assert hand.numbers == {1, 2, 3}
    assert hand.queues == {"q", "other"}
    assert hand.still_s < 5


@pytest.mark.parametrize(
    ("run_s", "slots", "wanted"),
    [
        (0.05, 1, 1),
        (0.05, 8, 8),
        (0.01, 1, 9),
        (0.1, 8, 0),
        (3.0, 8, 0),
        (0.08, 4, 1),
        (0.0, 1, 200),
        (0.001, 8, 200),
        (0.001, 0, 0),
    ],
)
def test_short_tasks_are_taken_ahead_and_long_ones_are_not(
    run_s: float, slots: int, wanted: int
) -> None:
    hand = Hand(0.1)
    hand.note_run(run_s)
    assert hand.wanted(slots) == wanted


def test_none_is_taken_ahead_before_a_task_has_ended() -> None:
    assert Hand(0.1).wanted(8) == 0


def test_none_is_taken_ahead_where_that_is_not_wanted() -> None:
    hand = Hand()
    hand.note_run(0.001)
    assert hand.wanted(8) == 0


def test_one_long_task_counts_at_once_and_wears_off() -> None:
    hand = Hand(0.1)
    hand.note_run(0.001)
    hand.note_run(10.0)
    assert hand.wanted(8) == 0
    for _ in range(20):
        hand.note_run(0.001)
    assert hand.wanted(8) == 0
    for _ in range(40):
        hand.note_run(0.001)
    assert hand.wanted(8) > 0


def test_none_is_wanted_after_some_were_withheld_until_a_task_has_ended() -> None:
    hand = Hand(0.1)
    hand.note_run(0.001)
    hand.withhold()
    assert hand.wanted(8) == 0
    hand.note_run(0.001)
    assert hand.wanted(8) == 200


def test_what_is_too_much_is_known_when_tasks_take_longer() -> None:
    hand = Hand(0.1)
    hand.note_run(0.001)
    assert hand.wanted(1) == 99
    hand.put([delivery(number) for number in range(40)])
    assert hand.excess == 0
    for _ in range(4):
        hand.note_run(0.05)
    assert 36 <= hand.excess <= 39
