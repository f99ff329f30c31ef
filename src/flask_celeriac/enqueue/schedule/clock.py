"""Notice when the machine's clock is set back."""

from __future__ import annotations

#: Seconds. Less is drift, which time synchronisation corrects bit by bit.
TOLERANCE_S = 1.0


class ClockWatch:
    """Compares the wall clock, which people and NTP set, with the monotonic one."""

    def __init__(self, wall_s: float, monotonic_s: float) -> None:
        self._offset_s = wall_s - monotonic_s

    def set_back_by(self, wall_s: float, monotonic_s: float) -> float:
        """Return how many seconds the clock was set back since the last call, else 0.0.

        Forward steps are no matter of this watch: what is due then is sent once, at once.
        """
        before_s, self._offset_s = self._offset_s, wall_s - monotonic_s
        step_s = before_s - self._offset_s
        return step_s if step_s > TOLERANCE_S else 0.0
