"""The comparison as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.table import aligned

from .figures import LIMIT
from .limit import NAMES

_LABELS = {
    "tasks_per_s": "tasks/s",
    "requests_per_s": "requests/s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "worker_us": "workers µs a task",
    "server_us": "Redis µs a task",
    "client_us": "sender µs a task",
    "errors": "errors",
    "connections": "Redis connections",
}
_NOTHING = "-"


def render(results: Mapping[str, Any]) -> str:
    """Return *results*, as the JSON file holds them, as text without a final line break."""
    return "\n".join(_lines(results))


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    yield "Medians over turns, with the least and the most that was seen. Times: how many times as"
    yield "fast as Celery as it comes, in the same turn. Share: of what one process can do (limit)."
    measures = dict(results["measures"])
    limits = {name: measures.pop(name) for name in NAMES if name in measures}
    yield ""
    yield from aligned(_limit_rows(limits))
    for measure, systems in measures.items():
        yield ""
        yield from aligned(_rows(measure, systems))
    for name, reason in results["failed"].items():
        yield ""
        yield f"{name} failed: {reason}"


def _limit_rows(limits: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    yield "limit", "tasks/s", "least..most"
    for name, systems in limits.items():
        yield name, *_spread(systems[LIMIT]["tasks_per_s"])


def _rows(measure: str, systems: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    first, *others = dict.fromkeys(figure for figures in systems.values() for figure in figures)
    has_share = any("share" in figures[first] for figures in systems.values())
    head = [measure, _LABELS[first], "least..most", "times", *(["share"] if has_share else [])]
    yield [*head, *(_LABELS[figure] for figure in others)]
    for name, figures in systems.items():
        main = figures[first]
        row = [name if name != LIMIT else "(no system)", *_spread(main), _times(main)]
        row += [_share(main)] if has_share else []
        yield row + [_short(figures[each]["median"]) if each in figures else "" for each in others]


def _spread(figure: Mapping[str, float]) -> tuple[str, str]:
    return _short(figure["median"]), f"{_short(figure['low'])}..{_short(figure['high'])}"


def _times(figure: Mapping[str, float]) -> str:
    return f"{figure['times']:.2f}" if "times" in figure else _NOTHING


def _share(figure: Mapping[str, float]) -> str:
    return f"{figure['share']:.1%}" if "share" in figure else _NOTHING


def _short(value: float) -> str:
    return f"{value:.2f}" if 0 < value < 10 else f"{value:.0f}"
