"""Memory of a worker: of its process and of those that it has started."""

from __future__ import annotations

from benchmarks.proc import memory_bytes
from benchmarks.processor import descendants
from benchmarks.side import Side

_MIB = 1024**2


def measure(side: Side) -> dict[str, float]:
    """Return what the worker of *side* has now.

    Returns:
        "mib": proportional set sizes, so that what processes share is counted once; "processes":
        how many there are.
    """
    pids = [side.worker_pid, *descendants(side.worker_pid)]
    sizes = [memory_bytes(pid, "Pss", file="smaps_rollup") for pid in pids]
    return {"mib": sum(sizes) / _MIB, "processes": len(pids)}
