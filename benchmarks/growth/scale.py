"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of the points of each panel, the smallest first, and how often they are visited.

    Attributes:
        waiting: Messages that wait in the queue.
        claimants: Processes with a lease.
        processes: Real workers.
        existing: Queues with messages, one of which is consumed.
        consumed: Queues that are consumed, all with messages.
        delayed: Messages that are due in ten hours.
        tasks: Of each step in a visit; a multiple of ten.
        rounds: Visits of each point.
        drained: Tasks that real workers drain.
        starts: How often real workers are started for each point.
    """

    waiting: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    claimants: tuple[int, ...] = (1, 4, 16, 64)
    processes: tuple[int, ...] = (1, 2, 4, 8)
    existing: tuple[int, ...] = (1, 10, 100, 1_000)
    consumed: tuple[int, ...] = (1, 10, 100)
    delayed: tuple[int, ...] = (0, 1_000, 10_000, 100_000)
    tasks: int = 200
    rounds: int = 20
    drained: int = 4_000
    starts: int = 3


DEFAULT = Scale()
QUICK = Scale(
    waiting=(100, 1_000),
    claimants=(1, 4),
    processes=(1, 2),
    existing=(1, 10),
    consumed=(1, 10),
    delayed=(0, 1_000),
    tasks=20,
    rounds=2,
    drained=100,
    starts=1,
)
