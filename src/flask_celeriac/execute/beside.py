"""How many workers one supervisor runs, as it tells each of them. Imports nothing heavy."""

from __future__ import annotations

import os

#: Set by `flask celery worker --processes`.
PROCESSES = "CELERIAC_PROCESSES"


def count_workers() -> int:
    """Return the number of workers under this one's supervisor, itself included; 1 without one."""
    number = os.environ.get(PROCESSES, "")
    return int(number) if number.isdecimal() else 1
