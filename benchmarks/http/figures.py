"""From turns to medians, spreads, and ratios to plain Celery."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.spread import estimate

from .place import PLAIN

#: Figures by name, of rows (sides) by name, of measures by name.
Found = dict[str, dict[str, dict[str, float]]]
#: Of the events of streams: what may not be.
_WRONG = ("lost", "doubled", "resets", "broken")


def summary(turns: Sequence[Found]) -> dict[str, Any]:
    """Return ``{measure: {row: {figure: {"median", "low", "high", "times"}}}}``.

    "low" and "high" are the least and the most that was seen. "times" is how many times as fast as
    plain Celery a row was in the same turn, an `Estimate`; it stands where both are there.
    """
    measures = dict.fromkeys(name for turn in turns for name in turn)
    return {name: _measure([turn.get(name, {}) for turn in turns]) for name in measures}


def _measure(turns: Sequence[dict[str, dict[str, float]]]) -> dict[str, Any]:
    rows = dict.fromkeys(row for turn in turns for row in turn)
    return {row: _row(turns, row) for row in rows}


def _row(turns: Sequence[dict[str, dict[str, float]]], row: str) -> dict[str, Any]:
    names = dict.fromkeys(name for turn in turns for name in turn.get(row, {}))
    return {name: _figure(turns, row, name) for name in names}


def _figure(turns: Sequence[dict[str, dict[str, float]]], row: str, name: str) -> dict[str, Any]:
    values = [turn[row][name] for turn in turns if name in turn.get(row, {})]
    figure: dict[str, Any] = {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
    }
    times = _times(turns, row, name) if row != PLAIN else []
    return figure | {"times": asdict(estimate([times]))} if times else figure


def _times(turns: Sequence[dict[str, dict[str, float]]], row: str, name: str) -> list[float]:
    found = []
    for turn in turns:
        ours, theirs = (turn.get(each, {}).get(name) for each in (row, PLAIN))
        if ours and theirs:
            found.append(ours / theirs if name.endswith("_per_s") else theirs / ours)
    return found


def wrong(turns: Sequence[Found]) -> dict[str, str]:
    """Return what was wrong with the events of streams, by point: nothing may be."""
    said = {}
    for turn in turns:
        for point, rows in turn.items():
            for figures in rows.values():
                if any(figures[name] for name in _WRONG):
                    shown = ", ".join(f"{figures[name]:g} {name}" for name in _WRONG)
                    said[f"streams, {point}"] = shown
    return said
