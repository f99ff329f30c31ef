"""What a benchmark says of its run, and while it runs."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from typing import Any


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
