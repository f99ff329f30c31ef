"""Processes with leases, each with some claims: what one of them costs, and what a dead one."""

from __future__ import annotations

import time
from itertools import cycle

from .gauge import Reading
from .ours import INCARNATION, LEASE_S, finish, take
from .place import Place

_CLAIMS = 10
#: As many claims as a reap takes at once.
_DEAD = 10
_SHORT_S = 0.001
_EXPIRED_WITHIN_S = 10.0
_QUEUE = "of-claimants"


class Claimants:
    """*count* incarnations; the first of them is the one that the other steps use."""

    def __init__(self, place: Place, count: int) -> None:
        self._place = place
        self._names = [INCARNATION, *(f"growth.{number}.0" for number in range(1, count))]
        for name in self._names:
            place.fill(_QUEUE, _CLAIMS)
            take(place, [_QUEUE], _CLAIMS, name)

    def visit(self, count: int) -> dict[str, Reading]:
        """Renew all leases, look for dead processes where there are none, and where there are."""
        names = cycle(self._names)
        store, gauge = self._place.store, self._place.gauge
        # Also those that a slow machine has kept from it.
        for name in self._names:
            store.renew(name, lease_s=LEASE_S)
        return {
            "renew": gauge.read(lambda: store.renew(next(names), lease_s=LEASE_S), count),
            "reap in vain": gauge.read(store.reap, count),
            "reap, a claim": self._reap(),
        }

    def _reap(self) -> Reading:
        """Let processes die and take away their claims; end what was taken away."""
        self._place.fill(_QUEUE, _DEAD * _CLAIMS)
        for number in range(_DEAD):
            name = f"dead.{number}.0"
            take(self._place, [_QUEUE], _CLAIMS, name)
            self._place.store.renew(name, lease_s=_SHORT_S)
        self._wait_until_dead()
        counts: list[int] = []
        found = self._place.gauge.read(
            lambda: counts.append(self._place.store.reap()[0]), 1, _DEAD * _CLAIMS
        )
        if counts != [_DEAD * _CLAIMS]:
            raise AssertionError(f"{counts} claims were taken away")
        taken = take(self._place, [_QUEUE], counts[0])
        finish(self._place, [delivery.number for delivery in taken.deliveries])
        return found

    def _wait_until_dead(self) -> None:
        deadline = time.monotonic() + _EXPIRED_WITHIN_S
        while sum(left_s <= 0 for left_s in self._place.store.leases().values()) < _DEAD:
            if time.monotonic() > deadline:
                raise TimeoutError("The leases of the dead do not end.")
            time.sleep(_SHORT_S)
