"""Runs the soak: `python -m benchmarks.soak --help`. Exit code 1: a promise was broken."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from . import plot, report
from .scene import Plan, Scene

_RESULTS = Path(__file__).parents[1] / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak, print the counts, write the files."""
    options = _parser().parse_args(arguments)
    plan = Plan(
        seed=options.seed if options.seed is not None else random.SystemRandom().randrange(10**6),
        minutes=options.minutes,
        every_s=options.every,
        rate=options.rate,
        lease_s=options.lease,
    )
    began_at = datetime.now(UTC)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        scene = Scene(plan, folder)
        scene.run()
        found = report.of(scene)
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"soak-{began_at:%Y%m%dT%H%M%SZ}"
    path.with_suffix(".json").write_text(report.as_json(found))
    plot.draw(scene.watcher.samples, scene.faults.made, path.with_suffix(".png"))
    print(report.as_text(found))
    print(f"\nWritten to {path}.json and .png" + (f"; logs are in {folder}" * options.keep))
    return report.exit_code(found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=20.0, help="of faults; the end comes when all is done")
    add("--every", type=float, default=5.0, help="seconds between two faults")
    add("--rate", type=float, default=12.0, help="sends a second, of each of two producers")
    add("--lease", type=float, default=30.0, help="seconds; the shipped ones unless given")
    add("--seed", type=int, help="of faults and load; a random one unless given")
    add("--keep", action="store_true", help="keep the folder with ledger and logs")
    add("--results", type=Path, default=_RESULTS, help="folder for the files")
    return parser


if __name__ == "__main__":
    sys.exit(main())
