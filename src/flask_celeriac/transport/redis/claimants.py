"""One claimant for each server that this process takes messages from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from .claimant import Claimant
from .keeper import Keeper


@dataclass(frozen=True, slots=True)
class Kept:
    """A claimant and what looks after it."""

    claimant: Claimant
    keeper: Keeper


_lock = threading.Lock()
_kept: dict[tuple[object, ...], Kept] = {}


def claimant_for(place: tuple[object, ...], make: Callable[[], Claimant]) -> Kept:
    """Return this process's claimant at *place*; made, and looked after, if there is none.

    Args:
        place: Server, database and key prefix.
        make: Makes a claimant of this process.
    """
    with _lock:
        kept = _kept.get(place)
        if kept is None or not kept.claimant.is_of_this_process:
            claimant = make()
            kept = _kept[place] = Kept(claimant, Keeper(claimant))
            kept.keeper.start()
        return kept


def all_kept() -> list[Kept]:
    """Return all claimants of this process."""
    with _lock:
        return [kept for kept in _kept.values() if kept.claimant.is_of_this_process]


def claimant_named(incarnation: str) -> Claimant | None:
    """Return this process's claimant of that name; None for one of another process."""
    for kept in tuple(_kept.values()):
        if kept.claimant.incarnation == incarnation and kept.claimant.is_of_this_process:
            return kept.claimant
    return None


def forget(kept: Kept) -> None:
    """Let a claimant go that has left: the next claim makes a new one."""
    kept.keeper.stop()
    with _lock:
        for place, known in list(_kept.items()):
            if known is kept:
                del _kept[place]
