"""What a task leaves when it ends, in the database of its messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state of a task, stored and published in one step with the end of its claim.

    Attributes:
        key: Of the state, and the channel.
        value: The encoded state.
        expires_s: Its life time in seconds; 0: for ever.
        store: Stores it by itself, where the state that is there already must be decoded first.
        tell_late: Says that it was not stored, since others had the claim.
    """

    key: bytes
    value: str | bytes
    expires_s: int
    store: Callable[[], object]
    tell_late: Callable[[], None]


class Ending(IntEnum):
    """What became of a claim that was to end."""

    LATE = 0  #: It was there no more; an outcome was not stored.
    ENDED = 1
    APART = 2  #: Its outcome must be stored by itself; the claim is still there.
