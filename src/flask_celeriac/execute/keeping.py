"""A pool of processes, over a lost connection and at its end: nothing that it did is forgotten.

Over a lost connection Celery forgets what has not started, since its transports give that back;
and yet a pool process may be about to start it. Our claims are still there. During a soft shutdown
Celery sleeps, and then ends the tasks of which it has not heard that they are done.
"""

from __future__ import annotations

import select
from contextlib import suppress
from types import GeneratorType
from typing import Any

#: What one process may have said while nobody listened: that it took a task, and its result.
_MESSAGES = 4


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


def take_results(pool: Any, hub: Any) -> None:
    """Hear what the processes of *pool* have said, in place of the event loop."""
    queues = getattr(getattr(pool, "_pool", None), "_fileno_to_outq", {})
    for fd in [fd for fd in queues for _ in range(_MESSAGES)]:
        if fd in hub.readers and select.select([fd], [], [], 0)[0]:
            reader, arguments = hub.readers[fd]
            with suppress(StopIteration, OSError, EOFError):
                # A generator has read a part of a long message.
                next(reader) if isinstance(reader, GeneratorType) else reader(*arguments)
