"""The results as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .rounds import SIDES

_LABELS = {
    "tasks_per_s": "tasks/s",
    "elapsed_us": "µs a task",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "client_us": "client µs a task",
    "worker_us": "worker µs a task",
    "processor_us": "both µs a task",
    "processor_ms": "processor ms",
    "elapsed_ms": "elapsed ms",
}


def render(results: Mapping[str, Any]) -> str:
    """Return *results*, as the JSON file holds them, as text without a final line break."""
    return "\n".join(_lines(results))


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    if results["pools"]:
        yield "Flask-Celeriac over plain Celery: medians, and the median of paired ratios with its"
        yield "95 % interval. Client and worker: user and system time of the processor."
    for pool, measures in results["pools"].items():
        yield ""
        yield from aligned(_pool_rows(pool, measures))
    if results["imports"]:
        yield ""
        yield from aligned(_import_rows(results["imports"]))
    yield ""
    yield from aligned(target_rows(results["targets"]))


def _pool_rows(pool: str, measures: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    yield pool, "", *SIDES, *(word for side in SIDES[1:] for word in (f"{side}, ratio", "95 %"))
    for measure, figures in measures.items():
        for name, figure in figures.items():
            medians = (short(figure["medians"][side]) for side in SIDES)
            ratios = (ratio(figure["ratios"][side]) for side in SIDES[1:])
            yield measure, _LABELS[name], *medians, *(word for pair in ratios for word in pair)


def _import_rows(imports: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    yield "start", "", "without", "with", "difference", "95 %"
    for comparison, clocks in imports.items():
        for clock, figure in clocks.items():
            added = figure["difference"]
            yield (
                comparison,
                _LABELS[clock],
                short(figure["without"]),
                short(figure["with"]),
                f"{added['median']:+.1f}",
                f"{added['low']:+.1f} to {added['high']:+.1f}",
            )


def target_rows(targets: Iterable[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    """Yield the targets, each with what was found and the verdict."""
    yield "target", "at most", "found", "95 %", ""
    for target in targets:
        figure, unit = target["figure"], f" {target['unit']}".rstrip()
        yield (
            target["name"],
            f"{target['limit']:.4g}{unit}",
            f"{figure['median']:.3f}{unit}",
            f"{figure['low']:.3f} to {figure['high']:.3f}",
            target["verdict"],
        )


def ratio(estimate: Mapping[str, float]) -> tuple[str, str]:
    """Return a ratio and its interval."""
    return f"{estimate['median']:.3f}", f"{estimate['low']:.3f} to {estimate['high']:.3f}"


def short(value: float) -> str:
    """Return a figure with as many digits as say something."""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return rows of equal length as lines, in columns."""
    rows = [*rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(cells).rstrip()
