"""Measures how the cost of a task grows: `python -m benchmarks.growth --help`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.about import about, say
from flask_celeriac.embedded import find_binary

from . import figures, fleet, table
from .gauge import Reading
from .panels import panels
from .scale import DEFAULT, QUICK, Scale

_RESULTS = Path(__file__).parents[1] / "results"
_PACKAGES = ("flask-celeriac", "celery", "kombu", "redis", "hiredis")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the files and print the table; 0 whatever the figures are."""
    options = _parser().parse_args(arguments)
    scale = QUICK if options.quick else DEFAULT
    began_at = datetime.now(UTC)
    results = _measured(scale)
    results = {"about": _about(scale, began_at), **results}
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"growth-{began_at:%Y%m%dT%H%M%SZ}"
    path.with_suffix(".json").write_text(json.dumps(results, indent=1))
    print(table.render(results))
    print(f"\nWritten to {path}.json{_drawn(results['panels'], path.with_suffix('.png'))}")
    return 0


def _measured(scale: Scale) -> dict[str, Any]:
    found, raw = {}, {}
    for panel in panels(scale):
        say(panel.name)
        readings = panel.measure(scale)
        found[panel.name], raw[panel.name] = figures.of_panel(panel.axis, readings), _raw(readings)
    readings = fleet.measure(scale, say)
    found["workers"] = figures.of_panel("real workers, each with 8 threads", readings)
    raw["workers"] = _raw(readings)
    return {"panels": found, "raw": raw}


def _raw(readings: figures.Readings) -> dict[int, Any]:
    return {size: [_plain(one) for one in rounds] for size, rounds in readings.items()}


def _plain(reading: Mapping[str, Reading]) -> dict[str, Any]:
    return {step: asdict(one) for step, one in reading.items()}


def _drawn(found: Mapping[str, Any], path: Path) -> str:
    if find_spec("matplotlib") is None:
        return "; for a picture, install the group `soak`"
    from . import plot

    plot.draw(found, path)
    return " and .png"


def _about(scale: Scale, began_at: datetime) -> dict[str, Any]:
    return {
        **about(began_at),
        "scale": asdict(scale),
        "server": find_binary().product,
        "load_averages": os.getloadavg(),
        "versions": {name: version(name) for name in _PACKAGES},
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="folder for the files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
