"""The journal in whatever else Celery can keep results: a database, memcached, a file system.

Records are results of tasks that do not exist, under ids of their own, and so expire as results do.
Nothing here is atomic, and nothing comes by itself: who waits looks again and again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from celery import states
from celery.backends.filesystem import FilesystemBackend

from flask_celeriac.errors import (
    CeleriacError,
    ResultBackendMissing,
    ResultBackendUnavailable,
)

from . import facts
from .facts import Cancellation, Entry, Events, Heard, NewEntry, Reservation, Seen
from .files import whole_meta

_STATE = "CELERIAC"
_SHORTEST_S, _LONGEST_S = 0.1, 2.0

logger = logging.getLogger(__name__)


class StoredJournal:
    """The journal of a result backend that is not ours; see `Journal`."""

    can_push = False

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        # The latest of runs in this process: the state takes its place, once a run has ended.
        self._told: dict[str, Mapping[str, Any]] = {}
        _say_once(type(backend).__name__)

    def open(self, entries: Sequence[NewEntry]) -> set[str]:
        new = [entry for entry in entries if self._read("task", entry.task_id) is None]
        for entry in new:
            parent = entry.parent_id and self._read("task", entry.parent_id)
            owner = entry.owner or (parent and parent["owner"]) or None
            fields = {"name": entry.name, "owner": owner, "queued": time.time()}
            self._write("task", entry.task_id, fields)
        return {entry.task_id for entry in new}

    def forget(self, task_ids: Sequence[str]) -> None:
        with _asking():
            for id_ in task_ids:
                self._backend.forget(_name("task", id_))

    def look(self, task_id: str) -> Seen:
        # In this order: what a run writes down is there before its result is.
        meta = self._meta(task_id)
        fields = self._read("task", task_id)
        is_stored = meta["status"] != states.PENDING
        return Seen(
            _entry(task_id, fields, meta) if fields else None,
            meta if is_stored else None,
            self.cancellation(task_id),
        )

    def started(self, task_id: str) -> None:
        self._update(task_id, lambda old: {
            "started": old.get("started") or time.time(),
            "attempts": old.get("attempts", 0) + 1,
            "ended": None,
        })  # fmt: skip

    def ended(self, task_id: str, progress: Mapping[str, Any] | None = None) -> None:
        told = self._told.pop(task_id, None)
        progress = told if progress is None else progress
        last = {} if progress is None else {"progress": dict(progress)}
        self._update(task_id, lambda _old: {"ended": time.time(), **last})

    def retried(self, task_id: str, data: Mapping[str, Any]) -> None:
        """Nothing: Celery stores the state."""

    def progress(
        self, task_id: str, data: Mapping[str, Any], request: Any = None
    ) -> Cancellation | None:
        with _asking():
            self._backend.store_result(task_id, dict(data), facts.PROGRESS, request=request)
        self._told[task_id] = data
        if data.get("current") == data.get("total"):
            # Soon the result comes, and to most of those who wait for that it is the last look.
            self._update(task_id, lambda _old: {"progress": dict(data)})
        return self.cancellation(task_id)

    def cancellation(self, task_id: str) -> Cancellation | None:
        told = self._read("cancel", task_id)
        return Cancellation.read(told) if told else None

    def cancel(self, task_id: str, wish: Cancellation) -> Cancellation:
        known = self.cancellation(task_id)
        if known is None:
            self._write("cancel", task_id, wish.kept())
        return known or wish

    def events(self, task_id: str, after: int = 0) -> Events:  # noqa: ARG002
        return Events(is_gap=True)

    def follow(self, task_id: str, after: int = 0) -> tuple[Seen, Events]:
        return self.look(task_id), self.events(task_id, after)

    @contextmanager
    def listening(self, task_id: str) -> Iterator[Alarm]:  # noqa: ARG002
        yield Alarm()

    def reserve(self, key: str, memo: str, life_s: float) -> Reservation:
        known = self._read("once", key)
        if known and time.time() < known["until"]:
            return Reservation(known["memo"], known["done"], is_ours=False)
        fields = {"memo": memo, "done": False, "until": time.time() + life_s}
        self._write("once", key, fields)
        return Reservation(memo, is_done=False, is_ours=True)

    def settle(self, key: str, life_s: float) -> None:
        if known := self._read("once", key):
            self._write("once", key, {**known, "done": True, "until": time.time() + life_s})

    def release(self, key: str) -> None:
        with _asking():
            self._backend.forget(_name("once", key))

    def _update(self, task_id: str, change: Any) -> None:
        fields = self._read("task", task_id)
        if fields:
            self._write("task", task_id, {**fields, **change(fields)})

    def _read(self, kind: str, id_: str) -> Any:
        meta = self._meta(_name(kind, id_))
        return meta["result"] if meta["status"] == _STATE else None

    def _meta(self, id_: str) -> Mapping[str, Any]:
        with _asking():
            if isinstance(self._backend, FilesystemBackend):
                return whole_meta(self._backend, id_)
            meta: Mapping[str, Any] = self._backend.get_task_meta(id_, cache=False)
            return meta

    def _write(self, kind: str, id_: str, fields: Mapping[str, Any]) -> None:
        with _asking():
            self._backend.store_result(_name(kind, id_), dict(fields), _STATE)


class MessageJournal(StoredJournal):
    """Of results that are messages to the process that sent the task (RPC): nothing is kept.

    A record would reach that process as a result of the task.
    """

    def open(self, entries: Sequence[NewEntry]) -> set[str]:  # noqa: ARG002
        """See `Journal`.

        Raises:
            ResultBackendMissing: Always.
        """
        raise ResultBackendMissing(
            "Exposed tasks need a result backend that keeps results for all processes: set "
            "CELERY_RESULT_BACKEND to another than rpc://. Nothing was sent."
        )

    def _read(self, kind: str, id_: str) -> Any:  # noqa: ARG002
        return None

    def _write(self, kind: str, id_: str, fields: Mapping[str, Any]) -> None:
        """Nothing."""

    def _meta(self, id_: str) -> Mapping[str, Any]:
        with _asking():
            meta: Mapping[str, Any] = self._backend.get_task_meta(id_)
            return meta


@cache
def _say_once(backend: str) -> None:
    logger.info(
        "The result backend %s can not push: who waits for a task by HTTP looks every %g to %g s.",
        backend,
        _SHORTEST_S,
        _LONGEST_S,
    )


class Alarm:
    """A bell that rings after a while, later each time."""

    def __init__(self) -> None:
        self._pause_s = _SHORTEST_S

    def wait(self, timeout_s: float) -> bool:
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 1.5, _LONGEST_S)
        time.sleep(min(pause_s, max(timeout_s, 0.0)))
        return pause_s <= timeout_s

    def told(self) -> Heard:
        """Nothing is told: look."""
        return Heard()


def _name(kind: str, id_: str) -> str:
    return f"celeriac-{kind}-{id_}"


def _entry(task_id: str, fields: Mapping[str, Any], meta: Mapping[str, Any]) -> Entry:
    told = meta["result"] if meta["status"] == facts.PROGRESS else fields.get("progress")
    return Entry(
        task_id,
        fields["name"],
        fields["owner"],
        datetime.fromtimestamp(fields["queued"], UTC),
        started_at=_at(fields.get("started")),
        ended_at=_at(fields.get("ended")),
        attempts=fields.get("attempts", 0),
        progress=told,
    )


def _at(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@contextmanager
def _asking() -> Iterator[None]:
    """Name a lost backend as such, whatever library it is that lost it.

    Raises:
        ResultBackendUnavailable: It does not answer.
    """
    try:
        yield
    except (CeleriacError, TypeError, ValueError):
        raise
    except Exception as error:
        raise ResultBackendUnavailable.because(error) from error
