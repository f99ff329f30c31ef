"""Turns: each measures everything once, one side after the other, in an order that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import respond, status, streams
from .figures import Found
from .place import SIDES

#: What can be measured, in the order of the tables.
WHAT = ("respond", "streams", "status")
_Act = Callable[[Path, Found], None]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured in a turn.

    Attributes:
        seconds: Of load for each number of connections.
        waiting: Clients at a time that wait for a task.
        asking: The same that ask for the status of one.
        points: With how many streams, and what they are told.
    """

    seconds: float
    waiting: Sequence[int]
    asking: Sequence[int]
    points: Sequence[streams.Point]


@dataclass(slots=True)
class Turn:
    """What one turn found.

    Attributes:
        found: By `WHAT`.
        failed: Why something failed, by its name; what was measured before stands.
    """

    found: dict[str, Found] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def run(
    number: int, what: Sequence[str], sizes: Sizes, folder: Path, say: Callable[[str], None]
) -> Turn:
    """Measure *what* once: what fails is noted, the rest goes on.

    Args:
        number: From 0; every other has the opposite order.
        folder: For logs and data; exists.
        say: Told what is going on, in short lines.
    """
    turn = Turn({name: {} for name in WHAT if name in what})
    steps = [(name, *step) for name in turn.found for step in _steps(name, sizes)]
    for place, (name, shown, act) in enumerate(reversed(steps) if number % 2 else steps):
        say(f"turn {number + 1}: {name}, {shown}")
        try:
            act(folder / f"{number}-{place}", turn.found[name])
        except Exception as error:
            turn.failed[f"{name}, {shown}"] = f"{type(error).__name__}: {error}"
            say(f"failed: {error}")
    return turn


def _steps(name: str, sizes: Sizes) -> Iterator[tuple[str, _Act]]:
    if name == "streams":
        yield from ((point.name, _of_point(point)) for point in sizes.points)
        return
    for side in SIDES:
        yield side, _of_side(name, side, sizes)


def _of_point(point: streams.Point) -> _Act:
    return lambda folder, found: streams.measure(point, folder, found)


def _of_side(name: str, side: str, sizes: Sizes) -> _Act:
    if name == "respond":
        return lambda folder, found: respond.measure(
            side, folder, sizes.seconds, sizes.waiting, found
        )
    return lambda folder, found: status.measure(side, folder, sizes.seconds, sizes.asking, found)
