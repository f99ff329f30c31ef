"""What a judgement is, and the limits that it keeps to."""

from __future__ import annotations

from dataclasses import dataclass

#: A process that wrote nothing for longer is frozen or gone.
BEAT_LIMIT_S = 10.0
#: A worker or beat whose last look for work is older does no work.
LOOK_LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one process is well, and one line that says why."""

    is_healthy: bool
    text: str
