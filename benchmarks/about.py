"""What a benchmark says of its run, and while it runs."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def begun(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None, quick: Mapping[str, Any]
) -> argparse.Namespace:
    """Return the options of a run, which ends what it has started when it is told to end.

    Args:
        quick: What `--quick` sets where the arguments do not say.
    """
    options = parser.parse_args(arguments)
    if options.quick:
        parser.set_defaults(**quick)
        options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return options


def about(began_at: datetime) -> dict[str, Any]:
    """Return when a run began, how long it took until now, and on what."""
    return {
        "began_at": began_at.isoformat(),
        "took_s": round((datetime.now(UTC) - began_at).total_seconds(), 1),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
    }


def say(line: str) -> None:
    """Tell who watches how far it is."""
    print(line, file=sys.stderr, flush=True)
