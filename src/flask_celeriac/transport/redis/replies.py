"""What the scripts answer, as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was claimed.

    Attributes:
        queue: Where it was taken from, without key prefix.
        number: Of the claim, unique in this database; 0 when nothing has to be settled.
        attempts: How many starts of it ended with the end of their process.
        body: As it was published.
        is_redelivered: Whether it was claimed before, and came back for whatever reason.
    """

    queue: str
    number: int
    attempts: int
    body: bytes
    is_redelivered: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim brought.

    Attributes:
        deliveries: In the order in which they are to be delivered.
        limit: How many would have been taken at most; fewer deliveries: there are no more.
        next_due_s: Seconds until the first delayed message; None when there is none, or when
            as many were taken as were asked for.
        cancellations: How often a task was cancelled so far; another number than the last time
            says that `MessageStore.cancelled` has changed.
    """

    deliveries: tuple[Delivery, ...]
    limit: int
    next_due_s: float | None
    cancellations: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """What a renewal of a lease found.

    Attributes:
        numbers: Of all claims that the server has for the process.
        has_expired: Whether the lease of any process has ended: see `MessageStore.reap`.
        has_parked: Whether anything is parked.
        has_unreported: Whether there are dead letters whose waiters were not told.
    """

    numbers: frozenset[int]
    has_expired: bool
    has_parked: bool
    has_unreported: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that nobody will run unless it is replayed.

    Attributes:
        number: Names it in `replay` and `discard`.
        queue: Where it came from, and goes when it is replayed.
        body: As it was published.
        reason: Why, in words.
        attempts: How many starts of it ended with the end of their process.
        at: Unix time in seconds.
    """

    number: int
    queue: str
    body: bytes
    reason: str
    attempts: int
    at: float


def claimed(reply: Sequence[Any]) -> Claimed:
    """Read the reply of the script `claim`."""
    due_ms, cancellations, limit, *messages = reply
    deliveries = tuple(
        Delivery(queue.decode(), int(number), max(int(attempts), 0), body, int(attempts) >= 0)
        for queue, number, attempts, body in messages
    )
    next_due_s = due_ms / 1000 if due_ms >= 0 else None
    return Claimed(deliveries, int(limit), next_due_s, int(cancellations))


def dead_letter(number: int, found: Mapping[bytes, bytes]) -> DeadLetter:
    """Read the hash of a dead letter."""
    return DeadLetter(
        number,
        found[b"queue"].decode(),
        found[b"body"],
        found[b"reason"].decode(errors="replace"),
        int(found[b"attempts"]),
        int(found[b"at"]) / 1000,
    )
