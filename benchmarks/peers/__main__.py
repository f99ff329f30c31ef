"""Measures Flask-Celeriac beside other task queues: `python -m benchmarks.peers --help`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.about import about, begun, say

from . import figures, table
from .catalogue import BASELINE, SYSTEMS
from .measures import WHAT, Sizes
from .turns import Turns

_RESULTS = Path(__file__).parents[1] / "results"
#: What `--quick` sets: enough to see that everything runs, too little to believe.
_QUICK = {"turns": 1, "tasks": 300, "trips": 30, "web_seconds": 0.5}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the JSON file and print the tables; 1 if a system failed."""
    options = begun(_parser(), arguments, _QUICK)
    began_at = datetime.now(UTC)
    sizes = Sizes(options.tasks, options.trips, options.web_seconds, options.connections)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        turns = Turns(options.only or [*SYSTEMS], sizes, options.what, Path(folder), say)
        loads = [os.getloadavg()]
        found = [turns.run(number) for number in range(options.turns)]
    loads.append(os.getloadavg())
    failed = {name: reason for turn in found for name, reason in turn.failed.items()}
    results = {
        "about": _about(options, began_at, loads, turns),
        "measures": figures.summary(found),
        "failed": failed,
    }
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"peers-{began_at:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps({**results, "turns": [*map(asdict, found)]}, indent=1))
    print(table.render(results))
    print(f"\nWritten to {path}")
    return 1 if failed else 0


def _about(
    options: argparse.Namespace,
    began_at: datetime,
    loads: Sequence[tuple[float, ...]],
    turns: Turns,
) -> dict[str, Any]:
    return {
        **about(began_at),
        "options": {key: value for key, value in vars(options).items() if key != "results"},
        "baseline": BASELINE,
        "load_averages": loads,
        "server": turns.server,
        "versions": turns.versions,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="only see that everything runs")
    add("--only", nargs="+", metavar="NAME", choices=SYSTEMS, help=f"of: {', '.join(SYSTEMS)}")
    add("--what", nargs="+", default=[*WHAT], choices=WHAT, help="what is measured")
    add("--turns", type=int, default=5, help="turns; each starts every system anew")
    add("--tasks", type=int, default=5000, help="tasks in a drain; slow systems get fewer")
    add("--trips", type=int, default=300, help="round trips")
    add("--web-seconds", type=float, default=4, help="seconds of load at each concurrency")
    add("--connections", type=int, nargs="+", default=[1, 16, 64], help="clients of the view")
    add("--results", type=Path, default=_RESULTS, help="folder for the JSON file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
