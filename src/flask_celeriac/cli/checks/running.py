"""What runs now: workers, the queues they consume, and beats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask_celeriac.cli.status import nodes_of, queues_of, workers_of
from flask_celeriac.health.state_file import StateFolder, is_alive, named_folder, pid_of

from .configuration import limits_of_pool
from .finding import Finding, ok, warning

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection


def examine(celery: Celery, connection: Connection, state_dir: str | None) -> Iterator[Finding]:
    """Ask who answers on the broker."""
    names, beats = nodes_of(celery, connection)
    workers = workers_of(celery, connection, names)
    yield from _workers(workers)
    for pool in sorted({worker["pool"] for worker in workers}):
        yield from limits_of_pool(celery, pool, "of a running worker")
    yield from _queues(queues_of(celery, workers), bool(workers))
    yield from _beats(celery, len(beats), state_dir)


def _workers(workers: list[dict[str, Any]]) -> Iterator[Finding]:
    if workers:
        slots = sum(worker["slots"] or 0 for worker in workers)
        names = ", ".join(worker["name"] for worker in workers)
        yield ok("workers", f"Workers answer, with {slots} slots: {names}.")
    else:
        yield warning(
            "workers", "No worker answers: tasks wait.", "Start one with `flask celery worker`."
        )


def _queues(queues: list[dict[str, Any]], has_workers: bool) -> Iterator[Finding]:
    alone = [queue for queue in queues if not queue["workers"]]
    for queue in alone:
        if has_workers or queue["messages"]:
            count = queue["messages"] or 0
            yield warning(
                "queues",
                f"Nobody consumes the queue {queue['name']!r}, in which {count} messages wait.",
                f"Start a worker with -Q {queue['name']}, or route its tasks elsewhere.",
            )
    if has_workers and not alone:
        yield ok("queues", "Every queue that is named somewhere is consumed.")


def _beats(celery: Celery, answering: int, state_dir: str | None) -> Iterator[Finding]:
    """Count beats: by their state files on this machine, by answers to a ping elsewhere."""
    count = max(_beats_here(state_dir), answering)
    if count > 1:
        yield warning(
            "beat.number",
            f"{count} beats run on one schedule: every entry is sent {count} times.",
            "Stop all but one.",
        )
    elif count:
        yield ok("beat.number", "One beat runs.")
    elif celery.conf.beat_schedule:
        yield warning(
            "beat.number",
            "The schedule has entries, but no beat was seen (one on another machine is seen "
            "only with beat_enable_remote_control).",
            "Start one with `flask celery beat`.",
        )


def _beats_here(state_dir: str | None) -> int:
    try:
        with StateFolder(named_folder(state_dir)) as folder:
            return sum(is_alive(pid_of(name)) for name in folder.names("beat"))
    except OSError:
        return 0
