"""The costs as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.table import aligned, ratio, short, target_rows

_MOST_NAMES = 6


def render(results: Mapping[str, Any]) -> str:
    """Return *results*, as the JSON file holds them, as text without a final line break."""
    judged = aligned(target_rows(results["targets"]))
    return "\n".join((*_lines(results["costs"]), "", *judged))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield "Commands a task, and of an idle worker a second: sent by clients, and called by scripts."
    for pool, sides in found["commands"].items():
        yield ""
        yield from aligned(_command_rows(pool, sides))
    yield ""
    yield from aligned(_worker_rows(found["worker memory"]))
    yield ""
    yield from aligned(_memory_rows(found))
    yield ""
    yield from aligned(_backlog_rows(found["backlog"]))


def _command_rows(pool: str, sides: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    yield pool, "", "client", "by scripts", "what clients send most"
    for measure in next(iter(sides.values())):
        for side, measures in sides.items():
            figure = measures[measure]
            names = [*figure["client_by_name"].items()][:_MOST_NAMES]
            most = " ".join(f"{name} {short(count)}" for name, count in names)
            yield measure, side, short(figure["client"]), short(figure["inner"]), most


def _worker_rows(found: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    yield "MiB of a worker", "processes", *next(iter(found.values())), "celeriac to plain"
    for pool, sides in found.items():
        sizes = {side: figure["mib"] for side, figure in sides.items()}
        counts = "/".join(str(figure["processes"]) for figure in sides.values())
        shown = (f"{size:.1f}" for size in sizes.values())
        yield pool, counts, *shown, f"{sizes['celeriac'] / sizes['plain']:.2f}"


def _memory_rows(found: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    memory = found["memory"]
    yield f"bytes each, of {found['scale']['stored']}", *memory
    for name in next(iter(memory.values())):
        yield name, *(f"{sizes[name]:.0f}" for sizes in memory.values())


def _backlog_rows(backlog: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    small, large = (f"{count:,} waiting" for count in backlog["waiting"])
    yield "celeriac, ms", small, large, "ratio", "95 %"
    for name, figure in backlog["figures"].items():
        sizes = short(figure["small_ms"]), short(figure["large_ms"])
        yield name, *sizes, *ratio(figure["ratio"])
