"""Beat: Celery's scheduler, with a state file and a memory for clocks that are set back."""

from __future__ import annotations

from .scheduler import Scheduler
from .unknown import UnknownEntry, unknown_entries

__all__ = ["Scheduler", "UnknownEntry", "unknown_entries"]
