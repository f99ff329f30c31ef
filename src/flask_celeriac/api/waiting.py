"""Waiting for something to happen to a task, without a connection and without asking again."""

from __future__ import annotations

import time
from collections.abc import Callable

from flask_celeriac.record.journal.facts import Seen
from flask_celeriac.record.journal.journal import Journal


def wait_until(
    journal: Journal, task_id: str, is_so: Callable[[Seen], bool], timeout_s: float
) -> Seen:
    """Wait until *is_so* holds for a task, or the time is over; return what is known then.

    Args:
        timeout_s: Seconds, 0 or more.
    """
    deadline = time.monotonic() + timeout_s
    with journal.listening(task_id) as bell:
        while True:
            seen = journal.look(task_id)
            left_s = deadline - time.monotonic()
            if left_s <= 0 or is_so(seen):
                return seen
            bell.wait(left_s)
