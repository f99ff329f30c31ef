"""Who waits for messages, as others learn it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """A consumer that has found nothing more, and waits for a bell or to be called.

    Attributes:
        caller: Names it in the server, beside others of its process.
        queues: What it consumes; none: nobody waits.
    """

    caller: str
    queues: Sequence[str]


NOT_WAITING = Waiting("", ())
