"""Of many who want to ask the server, a few do at a time."""

from __future__ import annotations

import threading

import pytest

from flask_celeriac.record.journal.turns import Turns


class Visitor(threading.Thread):
    """Takes a turn, and keeps it until it is told to leave."""

    def __init__(self, turns, came):
        super().__init__(daemon=True)
        self.turns, self.came = turns, came
        self.may_leave = threading.Event()

    def run(self):
        with self.turns:
            self.came.append(self)
            self.may_leave.wait(10)


def queued(turns, came, count, wait_until):
    """Start visitors, each after the one before has queued."""
    visitors = []
    for number in range(count):
        visitors.append(Visitor(turns, came))
        visitors[-1].start()
        wait_until(lambda number=number: len(turns._queue) == number + 1)
    return visitors


def test_who_has_waited_longest_comes_next_also_where_others_come_at_that_moment(wait_until):
    turns, came = Turns(1, 5.0), []
    first = Visitor(turns, came)
    first.start()
    wait_until(lambda: came == [first])
    waiting = queued(turns, came, 3, wait_until)
    first.may_leave.set()
    for number, visitor in enumerate(waiting):
        wait_until(lambda number=number: len(came) == number + 2)
        assert came[-1] is visitor
        visitor.may_leave.set()
    for visitor in waiting:
        visitor.join(5)


def test_as_many_as_are_let_in_need_not_wait():
    turns = Turns(2, 0.01)
    with turns, turns:
        with pytest.raises(TimeoutError), turns:
            pass
        assert not turns._queue
    with turns, turns:
        pass


def test_a_place_is_given_back_after_an_error(wait_until):
    turns = Turns(1, 0.01)
    with pytest.raises(ValueError), turns:
        raise ValueError
    with turns:
        pass


def test_who_is_interrupted_while_waiting_takes_no_place(monkeypatch):
    turns = Turns(1, 5.0)

    class Interrupted:
        """A lock whose owner is interrupted just when it is given the place."""

        def acquire(self, timeout=None):
            if timeout is not None:
                turns.__exit__(None, None, None)
                raise KeyboardInterrupt

        def release(self):
            pass

    turns.__enter__()
    monkeypatch.setattr("threading.Lock", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        turns.__enter__()
    monkeypatch.undo()
    with turns:
        assert not turns._free
    assert turns._free == 1
