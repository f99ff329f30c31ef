"""How long to wait before a program that ended by itself is started again."""

from __future__ import annotations

_LONGEST_S = 30.0
_STEADY_S = 30.0


class Backoff:
    """1, 2, 4 ... 30 seconds, and from 1 again after the program ran for 30 seconds."""

    def __init__(self) -> None:
        self._next_s = 1.0

    def after(self, ran_s: float) -> float:
        """Return the seconds to wait after a run of *ran_s* seconds."""
        if ran_s >= _STEADY_S:
            self.reset()
        wait_s = self._next_s
        self._next_s = min(wait_s * 2, _LONGEST_S)
        return wait_s

    def reset(self) -> None:
        """Begin at one second again."""
        self._next_s = 1.0
