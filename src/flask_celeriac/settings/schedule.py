"""Beat's schedule: each entry checked before beat starts, task handles replaced by their names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from .collect import Given
from .convert import copied
from .names import nearest_word

# Source: celery.beat.ScheduleEntry; what beat keeps itself (last_run_at ...) is not for people.
_ENTRY_KEYS = ("args", "kwargs", "options", "relative", "schedule", "task")


def check_schedule(given: Given, problems: list[str]) -> None:
    """Check `beat_schedule` and replace task objects by names.

    Args:
        given: Its "beat_schedule" is replaced by a checked copy.
        problems: Gets one line for each thing wrong with an entry.
    """
    schedule = given.values.get("beat_schedule")
    if not schedule:
        return
    checked: dict[Any, Any] = {}
    for name, entry in schedule.items():
        label = f"{given.label('beat_schedule')}, entry {name!r}"
        if isinstance(entry, Mapping):
            checked[name] = _checked(entry, label, problems)
        else:
            problems.append(
                f"{label}: a dict with task and schedule is expected, got {type(entry).__name__}."
            )
    given.values["beat_schedule"] = checked


def _checked(entry: Mapping[str, Any], label: str, problems: list[str]) -> dict[str, Any]:
    """Check one entry; give its copy with the task's name."""
    copy: dict[str, Any] = copied(entry)
    for key in [key for key in entry if key not in _ENTRY_KEYS]:
        near = nearest_word(str(key), _ENTRY_KEYS)
        meant = f"Did you mean {near}?" if near else f"Known are {', '.join(_ENTRY_KEYS)}."
        problems.append(f"{label}: unknown key {key!r}. {meant}")
    copy["task"] = _task_name(entry.get("task"))
    if copy["task"] is None:
        problems.append(f'{label}: "task" must be the name of a task, or a task.')
    if not _is_schedule(entry.get("schedule")):
        problems.append(
            f'{label}: "schedule" must be a number of seconds above 0, a timedelta, or a'
            " schedule of Celery such as crontab(minute=0)."
        )
    for key, kinds, expected in (
        ("args", (list, tuple), "a list or tuple; one argument is written (value,)"),
        ("kwargs", (Mapping,), "a dict"),
        ("options", (Mapping,), "a dict"),
    ):
        if entry.get(key) is not None and not isinstance(entry[key], kinds):
            problems.append(f'{label}: "{key}" must be {expected}.')
    return copy


def _task_name(task: Any) -> str | None:
    """Give the name that a task or text is, or None."""
    name = task if isinstance(task, str) else getattr(task, "name", None)
    return name if isinstance(name, str) and name else None


def _is_schedule(schedule: Any) -> bool:
    """Tell whether beat can compute a next time from *schedule*."""
    if isinstance(schedule, timedelta):
        return schedule > timedelta(0)
    if isinstance(schedule, (int, float)) and not isinstance(schedule, bool):
        return schedule > 0
    return callable(getattr(schedule, "is_due", None))
