"""The figures as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.table import aligned, ratio, short

from .figures import MOST


def render(results: Mapping[str, Any]) -> str:
    """Return *results*, as the JSON file holds them, as text without a final line break."""
    return "\n".join(_lines(results))


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    yield "Processor time of Redis for each task, in µs: medians, and the median of the ratios of"
    yield "the largest point to the smallest in the same round, with its 95 % interval. From the"
    yield "smallest to the largest point: wall time of the call; commands, scripts' own included."
    yield f"Flat: the ratio of processor times is at most {MOST}."
    for name, panel in results["panels"].items():
        yield ""
        yield f"{name}: {panel['axis']}"
        yield from aligned(_rows(panel))


def _rows(panel: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    sizes = (f"{size:,}" for size in panel["sizes"])
    yield "", *sizes, "ratio", "95 %", "wall µs", "ratio", "commands", ""
    for step, found in panel["steps"].items():
        yield (
            step,
            *map(short, found["server_us"]),
            *ratio(found["ratios"][-1]),
            _ends(found["wall_us"]),
            ratio(found["wall_ratio"])[0],
            _ends(found["commands"]),
            _said(found),
        )


def _ends(values: Sequence[float]) -> str:
    return f"{short(values[0])} to {short(values[-1])}"


def _said(found: Mapping[str, Any]) -> str:
    said = str(found["verdict"])
    return f"{said}, {found['each_us']:.2g} µs each" if said.endswith("grows") else said
