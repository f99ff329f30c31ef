"""Measures tasks over HTTP: `python -m benchmarks.http --help`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.about import about, begun, say
from flask_celeriac.embedded import find_binary

from . import figures, table
from .streams import Point
from .turns import WHAT, Sizes, Turn, run

_RESULTS = Path(__file__).parents[1] / "results"
_PACKAGES = ("flask-celeriac", "flask", "celery", "kombu", "redis", "hiredis", "gunicorn", "gevent")
#: Streams, and events a second where those are not the ones of `--events`.
_POINTS = ("100", "1000", "10000@20", "10000")
#: What `--quick` sets: enough to see that everything runs, too little to believe.
_QUICK = {
    "turns": 1,
    "seconds": 0.3,
    "waiting": [2],
    "asking": [2],
    "streams": ["20"],
    "events": 20.0,
    "tasks": 4,
    "stream_seconds": 1.0,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the JSON file and print the tables; 1 if anything failed or was lost."""
    options = begun(_parser(), arguments, _QUICK)
    began_at = datetime.now(UTC)
    loads = [os.getloadavg()]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        sizes = _sizes(options)
        numbers = range(options.turns)
        turns = [run(number, options.what, sizes, Path(folder), say) for number in numbers]
    loads.append(os.getloadavg())
    results = _results(options, began_at, loads, turns)
    path = options.out or _RESULTS / f"http-{began_at:%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**results, "turns": [*map(asdict, turns)]}, indent=1))
    print(table.render(results))
    print(f"\nWritten to {path}")
    return 1 if results["failed"] else 0


def _results(
    options: argparse.Namespace,
    began_at: datetime,
    loads: Sequence[tuple[float, ...]],
    turns: Sequence[Turn],
) -> dict[str, Any]:
    failed = {name: reason for turn in turns for name, reason in turn.failed.items()}
    return {
        "about": {
            **about(began_at),
            "options": {key: value for key, value in vars(options).items() if key != "out"},
            "load_averages": loads,
            "server": find_binary().product,
            "versions": {name: version(name) for name in _PACKAGES},
        },
        "measures": {
            name: figures.summary([turn.found[name] for turn in turns]) for name in turns[0].found
        },
        "failed": {**failed, **figures.wrong([turn.found.get("streams", {}) for turn in turns])},
    }


def _sizes(options: argparse.Namespace) -> Sizes:
    points = [_point(each, options) for each in options.streams]
    return Sizes(options.seconds, options.waiting, options.asking, points)


def _point(text: str, options: argparse.Namespace) -> Point:
    streams, _, events_per_s = text.partition("@")
    rate = float(events_per_s or options.events)
    return Point(int(streams), rate, options.tasks, options.stream_seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="only see that everything runs")
    add("--what", nargs="+", default=[*WHAT], choices=WHAT, help="what is measured")
    add("--turns", type=int, default=5, help="turns; each starts everything anew")
    add("--seconds", type=float, default=3, help="seconds of load at each concurrency")
    add("--waiting", type=int, nargs="+", default=[1, 16, 64], help="clients that wait for a task")
    add("--asking", type=int, nargs="+", default=[1, 64], help="clients that ask for a status")
    add("--streams", nargs="+", default=_POINTS, metavar="N[@EVENTS]", help="open streams")
    add("--events", type=float, default=200, help="events a second of all tasks together")
    add("--tasks", type=int, default=100, help="tasks over which the streams are spread")
    add("--stream-seconds", type=float, default=10, help="seconds for which the tasks tell")
    add("--out", type=Path, help="the JSON file; else in benchmarks/results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
