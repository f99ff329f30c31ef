"""From readings to figures: medians, ratios to the smallest point, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.spread import Estimate, estimate, median

from .gauge import Reading

#: What noise may add to a cost that does not grow.
MOST = 1.1

#: The readings of the points of a panel, by size and round.
Readings = Mapping[int, Sequence[Mapping[str, Reading]]]


def of_panel(axis: str, readings: Readings) -> dict[str, Any]:
    """Return the figures of each step.

    Returns:
        ``{"axis": ..., "sizes": [...], "steps": {step: {...}}}``; of each step the medians of the
        points, in the order of the sizes, and of the processor time the ratios to the smallest
        point, a ratio being that of two visits of one round.
    """
    sizes = [*readings]
    first = readings[sizes[0]][0]
    return {"axis": axis, "sizes": sizes, "steps": {step: _step(step, readings) for step in first}}


def verdict(ratio: Estimate) -> str:
    """ "flat", "grows" or "falls" when the whole interval says so, else what its median says."""
    if ratio.high < 1 / MOST:
        return "falls"
    if ratio.high <= MOST:
        return "flat"
    if ratio.low > MOST:
        return "grows"
    return "probably flat" if ratio.median <= MOST else "probably grows"


def _step(step: str, readings: Readings) -> dict[str, Any]:
    columns = [[reading[step] for reading in rounds] for rounds in readings.values()]
    found: dict[str, Any] = {
        name: [median([[asdict(one)[name] for one in column]]) for column in columns]
        for name in Reading.__slots__
    }
    ratios = [_ratio(columns[0], column, "server_us") for column in columns]
    sizes = [*readings]
    grown_us = found["server_us"][-1] - found["server_us"][0]
    return {
        **found,
        "ratios": [asdict(ratio) for ratio in ratios],
        "wall_ratio": asdict(_ratio(columns[0], columns[-1], "wall_us")),
        "verdict": verdict(ratios[-1]),
        "each_us": grown_us / (sizes[-1] - sizes[0]),
    }


def _ratio(smallest: Sequence[Reading], column: Sequence[Reading], name: str) -> Estimate:
    pairs = zip(smallest, column, strict=True)
    return estimate([[getattr(b, name) / getattr(a, name) for a, b in pairs]])
