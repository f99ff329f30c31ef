"""Medians, and how far they can be trusted."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_RESAMPLES = 2000

#: Values by the start of the processes that they were measured on.
Groups = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median with its 95 % bootstrap interval."""

    median: float
    low: float
    high: float


def estimate(groups: Groups) -> Estimate:
    """Estimate the median of all values.

    Groups are drawn first, then values inside them: what differs from one start of the processes
    to the next (memory layout, hash seeds) widens the interval as it should.

    Args:
        groups: One or more, none of them empty.

    Returns:
        The same for the same values: the draws are seeded.
    """
    draw = random.Random(0)
    medians = sorted(_median_of_one_draw(groups, draw) for _ in range(_RESAMPLES))
    tail = int(_RESAMPLES * 0.025)
    return Estimate(median(groups), medians[tail], medians[-1 - tail])


def median(groups: Groups) -> float:
    """Return the median of all values."""
    return statistics.median(value for group in groups for value in group)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of *values* that at least *share* (above 0, up to 1) do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _median_of_one_draw(groups: Groups, draw: random.Random) -> float:
    drawn = draw.choices(groups, k=len(groups))
    return statistics.median(
        value for group in drawn for value in draw.choices(group, k=len(group))
    )
