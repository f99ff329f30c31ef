"""Memory of a worker: of its process and of those that it has started."""

from __future__ import annotations

from pathlib import Path

from benchmarks.processor import descendants
from benchmarks.side import Side

_KIB = 1024


def measure(side: Side) -> dict[str, float]:
    """Return what the worker of *side* has now.

    Returns:
        "mib": proportional set sizes, so that what processes share is counted once; "processes":
        how many there are.
    """
    pids = [side.worker_pid, *descendants(side.worker_pid)]
    return {"mib": sum(_kib_of(pid) for pid in pids) / _KIB, "processes": len(pids)}


def _kib_of(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise OSError(f"no proportional set size of process {pid}")
