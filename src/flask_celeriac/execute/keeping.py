"""A pool of processes over a lost connection: what it was given stays its own.

Celery forgets what has not started, since its transports give that back; and yet a pool process
may be about to start it. Our claims are still there, so nothing needs to be forgotten.
"""

from __future__ import annotations

from typing import Any


def flush(pool: Any) -> None:
    """Let *pool* finish what it writes to its processes, as Celery does, and forget nothing."""
    processes: Any = getattr(pool, "_pool", None)
    if not hasattr(processes, "outbound_buffer"):
        return  # threads and greenlets forget nothing
    processes.maintain_pool()  # what a dead process had is known while it is remembered
    jobs, unsent = dict(processes._cache), list(processes.outbound_buffer)
    pool.flush()
    for number, job in jobs.items():
        if job.ready():
            continue
        processes._cache.setdefault(number, job)
        is_on_its_way = job._accepted or job._write_to
        if not is_on_its_way and job not in unsent:
            unsent.append(job)
    processes.outbound_buffer.extend(unsent)
