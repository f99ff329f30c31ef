"""Entries of the beat schedule that name a task nobody declared."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from celery import Celery


@dataclass(frozen=True, slots=True)
class UnknownEntry:
    """One entry, the task it names, and the nearest task that exists, if any is near."""

    entry: str
    task: str
    near: str | None

    def __str__(self) -> str:
        hint = f" (did you mean {self.near!r}?)" if self.near else ""
        return f"entry {self.entry!r} names {self.task!r}{hint}"


def unknown_entries(celery: Celery) -> list[UnknownEntry]:
    """Return the entries of `beat_schedule` whose task *celery* does not know, by entry name."""
    tasks: list[str] = list(celery.tasks)
    schedule: dict[str, Any] = celery.conf.beat_schedule or {}
    named = {name: str(_task_of(entry)) for name, entry in schedule.items()}
    return [
        UnknownEntry(name, task, next(iter(get_close_matches(task, tasks, 1)), None))
        for name, task in sorted(named.items())
        if task not in tasks
    ]


def _task_of(entry: Any) -> Any:
    return entry["task"] if isinstance(entry, dict) else entry.task
