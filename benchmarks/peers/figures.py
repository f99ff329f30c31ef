"""From turns to medians, spreads, and ratios to Celery as it comes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .catalogue import BASELINE, SYSTEMS
from .limit import NAMES, PUSH, PUSH_MANY, RUN_MANY
from .measures import Measures

#: Which limit a measure is compared with.
LIMITS = {"enqueue": PUSH, "bulk": PUSH_MANY, "drain": RUN_MANY}
#: The order of the tables; what stands behind a comma is one of several of the same.
_ORDER = ("enqueue", "bulk", "drain", "drain without results", "round trip", "web")
#: The name under which the limit, and a view without a task, stand beside the systems.
LIMIT = "limit"


@dataclass(slots=True)
class Turn:
    """What one turn found.

    Attributes:
        found: Measures by system, and by `LIMIT`.
        failed: Why a system, or what was left of its measures, failed.
    """

    found: dict[str, Measures] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def summary(turns: Sequence[Turn]) -> dict[str, Any]:
    """Return ``{measure: {system: {figure: {"median", "low", "high", "times", "share"}}}}``.

    "low" and "high" are the least and the most that was seen. "times" is the median of how many
    times as fast as the baseline the system was in the same turn, "share" the same of the limit;
    each stands where there is something to compare with.
    """
    seen = dict.fromkeys(m for turn in turns for each in turn.found.values() for m in each)
    measures = {}
    for measure in sorted(seen, key=_place):
        of_systems = {name: _figures(turns, measure, name) for name in (LIMIT, *SYSTEMS)}
        measures[measure] = {name: found for name, found in of_systems.items() if found}
    return measures


def _place(measure: str) -> int:
    return _ORDER.index(measure.partition(",")[0]) if measure not in NAMES else -1


def _figures(turns: Sequence[Turn], measure: str, name: str) -> dict[str, Any]:
    found = [turn.found.get(name, {}).get(measure, {}) for turn in turns]
    return {
        figure: {**_spread(found, figure), **_compared(turns, measure, name, figure)}
        for figure in dict.fromkeys(figure for each in found for figure in each)
    }


def _spread(found: Sequence[Mapping[str, float]], figure: str) -> dict[str, Any]:
    values = [each[figure] for each in found if figure in each]
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def _compared(turns: Sequence[Turn], measure: str, name: str, figure: str) -> dict[str, float]:
    compared = {}
    times = _ratios(turns, (name, measure), (BASELINE, measure), figure)
    if times and name != LIMIT:
        compared["times"] = statistics.median(times)
    limit = LIMITS.get("drain" if measure.startswith("drain") else measure)
    if limit and figure == "tasks_per_s":
        share = _ratios(turns, (name, measure), (LIMIT, limit), figure)
        compared |= {"share": statistics.median(share)} if share else {}
    return compared


def _ratios(
    turns: Sequence[Turn], one: tuple[str, str], other: tuple[str, str], figure: str
) -> list[float]:
    """Return how many times as fast *one* was as *other*, in each turn that has both."""
    ratios = []
    for turn in turns:
        pair = [turn.found.get(name, {}).get(m, {}).get(figure) for name, m in (one, other)]
        a, b = pair
        if a and b:
            ratios.append(a / b if figure.endswith("_per_s") else b / a)
    return ratios
