"""Measures Flask-Celeriac against plain Celery: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import costs, imports, rounds, summary, table
from .about import about, say
from .costs import table as costs_table

_RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("flask-celeriac", "flask", "celery", "kombu", "redis", "hiredis")
#: What `--quick` sets: enough to see that everything runs, too little to believe.
_QUICK = {"pools": ["solo"], "turns": 1, "starts": 1, "tasks": 5, "import_pairs": 1}
#: Slots of a worker, as one would choose them for short tasks on two processors.
_SLOTS = {"solo": 1, "prefork": 2, "threads": 8, "gevent": 20}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the JSON file and print the table; 0 whatever the figures are."""
    options = _parser().parse_args(arguments)
    if options.quick:
        vars(options).update(_QUICK)
    measured = _costs if options.costs or options.full else _measured
    began_at = datetime.now(UTC)
    loads = [os.getloadavg()]
    results = measured(options)
    loads.append(os.getloadavg())
    results = {"about": _about(options, began_at, loads), **results}
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"{began_at:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(results, indent=1))
    print(table.render(results) if "pools" in results else costs_table.render(results))
    print(f"\nWritten to {path}")
    return 0


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    pools: dict[str, Any] = {}
    for plan in _plans(options):
        measured = rounds.measure(plan, say)
        pools[plan.pool] = summary.of_rounds(measured)
        raw[plan.pool] = _plain(measured)
    say("start of programs")
    starts = imports.measure(options.import_pairs) if options.import_pairs else {}
    added = summary.of_imports(starts)
    judged = summary.targets(pools, added)
    return {
        "pools": pools,
        "imports": added,
        "targets": _judged(judged),
        "raw": {"pools": raw, "imports": _plain(starts)},
    }


def _costs(options: argparse.Namespace) -> dict[str, Any]:
    scale = costs.FULL if options.full else costs.QUICK if options.quick else costs.DEFAULT
    found = costs.measure(scale, _plans(options), say)
    return {"costs": found, "targets": _judged(costs.targets(found))}


def _plans(options: argparse.Namespace) -> list[rounds.Plan]:
    sizes = options.tasks, options.turns, options.starts, options.loglevel
    return [
        rounds.Plan(pool, options.concurrency or _SLOTS.get(pool, 2), *sizes)
        for pool in options.pools
    ]


def _judged(targets: Sequence[summary.Target]) -> list[dict[str, Any]]:
    return [{**asdict(target), "verdict": target.verdict} for target in targets]


def _plain(value: Any) -> Any:
    """Make of dataclasses inside lists and dicts what JSON can hold."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return asdict(value)


def _about(
    options: argparse.Namespace, began_at: datetime, loads: Sequence[tuple[float, ...]]
) -> dict[str, Any]:
    return {
        **about(began_at),
        "options": {key: value for key, value in vars(options).items() if key != "results"},
        "load_averages": loads,
        "versions": {name: version(name) for name in _PACKAGES},
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="only see that everything runs")
    add("--costs", action="store_true", help="what a task costs in Redis, in place of times")
    add("--full", action="store_true", help="the costs, behind a million waiting messages")
    add("--pools", nargs="*", default=[*_SLOTS], help="pools of the worker")
    add("--concurrency", type=int, help=f"slots of each pool, in place of {_SLOTS}")
    add("--tasks", type=int, default=100, help="tasks in a round")
    add("--turns", type=int, default=30, help="rounds of each side for each start")
    add("--starts", type=int, default=6, help="how often the processes are started anew")
    add("--loglevel", default="info", help="of the workers; info is what Flask-Celeriac starts")
    add("--import-pairs", type=int, default=25, help="pairs of starts of a program")
    add("--results", type=Path, default=_RESULTS, help="folder for the JSON file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
