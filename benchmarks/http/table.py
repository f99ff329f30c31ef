"""The results as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.table import aligned

from .place import OURS, PLAIN
from .status import NOTHING, UNCHANGED

#: The share of a processor from which on a process is what bounds the rest: the machine has others
#: to run, too.
_BUSY = 0.8
#: Milliseconds after which an event is so late that something must be too slow.
_LATE_MS = 1000.0
_PROCESSES = {
    "web_share": "the web process",
    "client_share": "the clients",
    "worker_share": "the worker",
}
_ROWS = (NOTHING, PLAIN, OURS, UNCHANGED)
#: Targets for streams: KiB of each, and milliseconds at so many of them.
_MOST_KIB, _MOST_P99_MS, _AT = 40.0, 100.0, 1000
#: Columns beside the requests a second.
_LABELS = {
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "errors": "errors",
    "connections": "Redis connections",
}
#: Rows of the table of streams: figure, label.
_STREAM_ROWS = {
    "expected_per_s": "events to clients/s, to come",
    "stream_kib": "KiB of each stream, open",
    "most_kib": "KiB of each, at most",
    "opened_per_s": "streams opened/s",
    "p50_ms": "progress() to client, p50 ms",
    "p99_ms": "p99 ms",
    "most_ms": "most ms",
    "ends_ms": "from the first end to the last, ms",
    "expected": "events expected",
    "received": "received",
    "lost": "lost",
    "doubled": "doubled or out of order",
    "resets": "resets",
    "broken": "streams cut off",
    "probe_p50_ms": "/healthz meanwhile, p50 ms",
    "probe_p99_ms": "p99 ms",
    "probe_most_ms": "most ms",
    "web_us": "web processor µs an event",
    "web_share": "of a processor: web",
    "worker_share": "worker",
    "redis_share": "Redis",
    "client_share": "clients",
}


def render(results: Mapping[str, Any]) -> str:
    """Return *results*, as the JSON file holds them, as text without a final line break."""
    return "\n".join(_lines(results))


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    yield "Medians over turns, with the least and the most that was seen. Times: how many times as"
    yield "fast as plain Celery in the same turn, with a 95 % interval."
    for name, measures in results["measures"].items():
        if name == "streams":
            yield from _stream_lines(measures, results["about"]["options"]["tasks"])
            continue
        for measure, rows in measures.items():
            yield ""
            yield from aligned(_rows(f"{name}, {measure}", rows))
    for name, reason in results["failed"].items():
        yield ""
        yield f"{name} failed: {reason}"


def _rows(title: str, rows: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    names = [name for name in _LABELS if any(name in figures for figures in rows.values())]
    head = ["requests/s", "least..most", "times", "95 %"]
    yield [title, *head, *(_LABELS[name] for name in names)]
    for row in sorted(rows, key=_ROWS.index):
        figures = rows[row]
        main, medians = figures["requests_per_s"], (figures[name]["median"] for name in names)
        yield [row, *_spread(main), *_times(main), *map(_short, medians)]


def _stream_lines(measures: Mapping[str, Any], tasks: int) -> Iterator[str]:
    points = {name: rows[OURS] for name, rows in measures.items()}
    if not points:
        return
    yield ""
    yield f"Streams of one gevent process, spread evenly over {tasks} tasks. Each event of a task"
    yield "goes to all streams of that task. Medians, with the least and the most that was seen."
    yield from aligned(_stream_rows(points))
    yield ""
    for name, figures in points.items():
        yield f"{name}: bounded by {bound(figures)}; {_judged(figures)}"


def _stream_rows(points: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    yield ["", *points]
    for figure, label in _STREAM_ROWS.items():
        yield [label, *(_shown(figures[figure]) for figures in points.values())]


def _shown(figure: Mapping[str, float]) -> str:
    middle, around = _spread(figure)
    return middle if figure["low"] == figure["high"] else f"{middle}  ({around})"


def bound(figures: Mapping[str, Any]) -> str:
    """Return what keeps a point of streams from more, as the processor times show it."""
    busy = [
        f"{shown} ({figures[name]['median']:.0%} of a processor)"
        for name, shown in _PROCESSES.items()
        if figures[name]["median"] >= _BUSY
    ]
    if not busy and figures["p99_ms"]["median"] > _LATE_MS:
        return "no process of its own: what waits, waits for what else the machine does"
    return " and ".join(busy) or "nothing yet"


def _judged(figures: Mapping[str, Any]) -> str:
    kib, p99_ms = figures["stream_kib"]["median"], figures["p99_ms"]["median"]
    said = [f"{kib:.0f} KiB a stream (target {_MOST_KIB:.0f})"]
    if figures["streams"]["median"] == _AT:
        said.append(f"p99 {_short(p99_ms)} ms (target {_MOST_P99_MS:.0f})")
    return ", ".join(said)


def _spread(figure: Mapping[str, float]) -> tuple[str, str]:
    return _short(figure["median"]), f"{_short(figure['low'])}..{_short(figure['high'])}"


def _times(figure: Mapping[str, Any]) -> tuple[str, str]:
    if "times" not in figure:
        return "-", ""
    times = figure["times"]
    return f"{times['median']:.2f}", f"{times['low']:.2f} to {times['high']:.2f}"


def _short(value: float) -> str:
    """Return a figure with as many digits as say something; a count as it is."""
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2f}"
