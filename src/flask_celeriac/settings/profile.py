"""Applying the safe profile: the user's keys win one by one, also inside option dicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .convert import copied
from .defaults import safe_defaults
from .model import Applied, Default
from .names import stock_default
from .urls import family_of


@dataclass(frozen=True, slots=True)
class Profiled:
    """Celery's settings for senders, what workers change, and every default that was considered."""

    celery: dict[str, Any]
    worker: dict[str, Any]
    profile: tuple[Applied, ...]


def apply_profile(
    values: Mapping[str, Any],
    *,
    broker_url: str | None,
    result_backend: str | None,
    transport: str,
    is_up: bool,
) -> Profiled:
    """Complete the user's settings by the safe defaults.

    Args:
        values: The user's settings by new name; only read.
        broker_url: Decides which broker's defaults apply; None means the embedded Redis to come.
        result_backend: Decides which backend's defaults apply.
        transport: `CELERIAC_TRANSPORT`.
        is_up: Started by `flask celery up`: shutting down is shorter.

    Returns:
        Fresh dicts. `worker` holds only what differs from `celery`, whole values.
    """
    defaults = safe_defaults(
        values,
        broker=family_of(broker_url) if broker_url else "redis",
        backend=family_of(result_backend),
        is_ours=transport == "celeriac",
        is_up=is_up,
    )
    wanted = [default for default in defaults if not _is_set(values, default.key)]
    sender = _merged(values, (d for d in wanted if d.process != "worker"))
    worker = _merged(values, (d for d in wanted if d.process != "sender"))
    changes = {
        name: worker.get(name, copied(stock_default(name)))
        for name in sender | worker
        if name not in sender or name not in worker or sender[name] != worker[name]
    }
    return Profiled(sender, changes, tuple(_report(values, defaults)))


def _merged(values: Mapping[str, Any], defaults: Iterable[Default]) -> dict[str, Any]:
    """Copy the user's settings and add defaults, "name.option" into the dict of that name."""
    merged: dict[str, Any] = copied(values)
    for default in defaults:
        name, _, option = default.key.partition(".")
        if option:
            merged[name] = {**(merged.get(name) or {}), option: copied(default.value)}
        else:
            merged[name] = copied(default.value)
    return merged


def _report(values: Mapping[str, Any], defaults: Iterable[Default]) -> Iterable[Applied]:
    """Say of each default whether it holds; what the user set is named once for all processes."""
    seen: set[str] = set()
    for default in defaults:
        if not _is_set(values, default.key):
            yield Applied(default.key, default.value, default.reason, True, default.process)
        elif default.key not in seen:
            seen.add(default.key)
            yield Applied(default.key, _value(values, default.key), default.reason, False)


def _is_set(values: Mapping[str, Any], key: str) -> bool:
    """Tell whether the user set *key*, under whatever name it was written."""
    name, _, option = key.partition(".")
    return option in (values.get(name) or {}) if option else name in values


def _value(values: Mapping[str, Any], key: str) -> Any:
    """Give the user's value of *key*."""
    name, _, option = key.partition(".")
    return values[name][option] if option else values[name]
