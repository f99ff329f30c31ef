"""The journal beside the results in Redis, each call one round trip.

Keys, behind the result backend's ``global_keyprefix``:

    celeriac:1:task:<id>    hash    30 days, from its end 7 days longer than its result
                                    name, owner, queued, started, ended (ms), attempts, seq,
    celeriac:1:events:<id>  stream  an hour after the last; 1000 events; also a channel
    celeriac:1:cancel:<id>  string  30 days; JSON
    celeriac:1:once:<key>   hash    24 hours; memo, done
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from celery import states
from redis.exceptions import RedisError

from flask_celeriac.errors import ResultBackendUnavailable
from flask_celeriac.record.scripts import load_script
from flask_celeriac.transport.redis.keys import namespace

from . import facts
from .bell import PushedBell
from .facts import Cancellation, Entry, Event, Events, NewEntry, Reservation, Seen
from .shared import Shared
from .turns import Turns

_LIMITS = (facts.MOST_EVENTS, facts.EVENTS_S * 1000)
_META, _ANY = "celery-task-meta-", "any"
#: When the listener connects again, all who wait look at once.
_MOST_AT_ONCE, _PATIENCE_S = 16, 1.0


class RedisJournal:
    """The journal of one of our result backends; see `Journal`."""

    can_push = True

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        key = _text(backend.get_key_for_task(_ANY))
        self._namespace = namespace(key.removesuffix(f"{_META}{_ANY}"))
        # Results that are kept for ever have a record for as long as one that waits.
        self._ended_s = int(backend.expires or facts.WAITING_S) + facts.KEPT_S
        self._turns, self._shared = Turns(_MOST_AT_ONCE, _PATIENCE_S), Shared()

    def open(self, entries: Sequence[NewEntry]) -> set[str]:
        with self._asking() as client:
            if len(entries) == 1:
                are_new = [self._open_one(entries[0], client)]
            else:
                with client.pipeline(transaction=False) as pipe:
                    for entry in entries:
                        self._open_one(entry, pipe)
                    are_new = pipe.execute()
        pairs = zip(entries, are_new, strict=True)
        return {entry.task_id for entry, is_new in pairs if is_new}

    def _open_one(self, entry: NewEntry, client: Any) -> Any:
        task = self._key("task", entry.task_id)
        parent = self._key("task", entry.parent_id) if entry.parent_id else task
        life_ms = round((facts.WAITING_S + entry.due_in_s) * 1000)
        arguments = [entry.name, entry.owner or "", life_ms]
        return self._open(keys=[task, parent], args=arguments, client=client)

    def forget(self, task_ids: Sequence[str]) -> None:
        with self._asking() as client:
            client.delete(*(self._key("task", id_) for id_ in task_ids))

    def look(self, task_id: str) -> Seen:
        with self._asking() as client, client.pipeline(transaction=False) as pipe:
            self._look(pipe, task_id)
            return self._seen(task_id, *pipe.execute())

    def started(self, task_id: str) -> None:
        self._note(task_id, "", "started", 1, "state", {"state": states.STARTED})

    def ended(self, task_id: str, progress: Mapping[str, Any] | None = None) -> None:
        last = () if progress is None else ("progress", progress)
        self._note(task_id, self._ended_s * 1000, "ended", 0, *last)

    def retried(self, task_id: str, data: Mapping[str, Any]) -> None:
        self._note(task_id, "", "", 0, "state", {**data, "state": states.RETRY})

    def progress(
        self, task_id: str, data: Mapping[str, Any], request: Any = None
    ) -> Cancellation | None:
        backend = self._backend
        claim = backend.claim_for(request)
        value = backend.encode_state(task_id, dict(data), facts.PROGRESS, request)
        keys = [backend.get_key_for_task(task_id), *self._keys_of(task_id)]
        keys.append(self._key("cancel", task_id))
        if claim is not None:
            keys.append(claim.key)
        number, replaceable = claim.number if claim else "", ""
        while True:
            arguments = [*_LIMITS, value, backend.expires or 0, replaceable, _json(data), number]
            with self._asking() as client:
                answer, cancellation = self._progress(keys=keys, args=arguments, client=client)
            replaceable = backend.replaceable(answer)
            if not replaceable:
                return _cancellation(cancellation)

    def cancellation(self, task_id: str) -> Cancellation | None:
        with self._asking() as client:
            return _cancellation(client.get(self._key("cancel", task_id)))

    def cancel(self, task_id: str, wish: Cancellation) -> Cancellation:
        data = {"cancellation": wish.shown()}
        keys = [*self._keys_of(task_id), self._key("cancel", task_id)]
        arguments = [*_LIMITS, _json(wish.kept()), facts.CANCELLED_S, _json(data)]
        with self._asking() as client:
            return _cancellation(self._cancel(keys=keys, args=arguments, client=client)) or wish

    def events(self, task_id: str, after: int = 0) -> Events:
        with self._asking() as client, client.pipeline(transaction=False) as pipe:
            pipe.hget(self._key("task", task_id), "seq")
            pipe.xrange(self._key("events", task_id), min=f"({after}-0")
            last, found = pipe.execute()
        return _events(after, int(last or 0), found)

    def follow(self, task_id: str, after: int = 0) -> tuple[Seen, Events]:
        def ask(begin: Callable[[], None]) -> tuple[Seen, Events]:
            with self._asking() as client, client.pipeline(transaction=False) as pipe:
                begin()
                # In this order: what is told of a task is told before its result is stored.
                self._look(pipe, task_id)
                events = self._key("events", task_id)
                pipe.xrange(events, min=f"({after}-0", count=facts.EVENTS_AT_ONCE)
                *looked, found = pipe.execute()
            seen = self._seen(task_id, *looked)
            return seen, _events(after, seen.entry.last_event if seen.entry else 0, found)

        found: tuple[Seen, Events] = self._shared.ask((task_id, after), ask)
        return found

    @contextmanager
    def listening(self, task_id: str) -> Iterator[PushedBell]:
        """See `Journal`; one thread of the process listens for all."""
        backend = self._backend
        listener = backend.result_consumer.registry.listener
        meta, events = backend.get_key_for_task(task_id), self._key("events", task_id)
        bell = PushedBell(_bytes(meta), _bytes(events), backend.decode_result)
        for ear in bell.ears:
            listener.add(ear)
        try:
            yield bell
        finally:
            for ear in bell.ears:
                listener.drop(ear)

    def reserve(self, key: str, memo: str, life_s: float) -> Reservation:
        with self._asking() as client:
            known, is_done, is_ours = self._reserve(
                keys=[self._key("once", key)], args=[memo, round(life_s)], client=client
            )
        return Reservation(_text(known), bool(is_done), bool(is_ours))

    def settle(self, key: str, life_s: float) -> None:
        name = self._key("once", key)
        with self._asking() as client, client.pipeline() as pipe:
            pipe.hset(name, "done", 1)
            pipe.expire(name, round(life_s))
            pipe.execute()

    def release(self, key: str) -> None:
        with self._asking() as client:
            client.delete(self._key("once", key))

    def _look(self, pipe: Any, task_id: str) -> None:
        pipe.hgetall(self._key("task", task_id))
        pipe.get(self._key("cancel", task_id))
        pipe.get(self._backend.get_key_for_task(task_id))

    def _seen(self, task_id: str, fields: Any, cancellation: Any, meta: Any) -> Seen:
        return Seen(
            _entry(task_id, fields),
            self._backend.decode_result(meta) if meta else None,
            _cancellation(cancellation),
        )

    def _note(self, task_id: str, life_ms: int | str, time: str, is_start: int, *told: Any) -> None:
        """Run the script `note`; *told* has kind and data of events."""
        events = [part if isinstance(part, str) else _json(part) for part in told]
        arguments = [*_LIMITS, life_ms, time, is_start, *events]
        with self._asking() as client:
            self._note_script(keys=self._keys_of(task_id), args=arguments, client=client)

    def _key(self, kind: str, name: str) -> str:
        return f"{self._namespace}{kind}:{name}"

    def _keys_of(self, task_id: str) -> list[str]:
        return [self._key("task", task_id), self._key("events", task_id)]

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """Give a client.

        Raises:
            ResultBackendUnavailable: The server does not answer.
        """
        try:
            with self._turns:
                yield self._backend.client
        except (RedisError, OSError) as error:
            raise ResultBackendUnavailable.because(error) from error

    @cached_property
    def _open(self) -> Any:
        return self._script("open")

    @cached_property
    def _note_script(self) -> Any:
        return self._script("events", "note")

    @cached_property
    def _progress(self) -> Any:
        return self._script("events", "progress", has_outcome=True)

    @cached_property
    def _cancel(self) -> Any:
        return self._script("events", "cancel")

    @cached_property
    def _reserve(self) -> Any:
        return self._script("reserve")

    def _script(self, *names: str, has_outcome: bool = False) -> Any:
        folder = "flask_celeriac.record.journal"
        return load_script(self._backend.client, *names, folder=folder, has_outcome=has_outcome)


def _entry(task_id: str, fields: Mapping[bytes | str, Any]) -> Entry | None:
    known = {_text(name): _text(value) for name, value in fields.items()}
    if "queued" not in known:
        return None
    progress = known.get("progress")
    return Entry(
        task_id,
        known["name"],
        known.get("owner"),
        _at(known["queued"]),
        started_at=_at(known["started"]) if "started" in known else None,
        ended_at=_at(known["ended"]) if "ended" in known else None,
        attempts=int(known.get("attempts", 0)),
        last_event=int(known.get("seq", 0)),
        progress=json.loads(progress) if progress else None,
    )


def _cancellation(value: bytes | str | None) -> Cancellation | None:
    return Cancellation.read(json.loads(value)) if value else None


def _events(after: int, last: int, found: Any) -> Events:
    """Return what was *found*, after the number of the *last* event was read."""
    items = tuple(_event(name, fields) for name, fields in found)
    first, latest = (items[0].number, items[-1].number) if items else (last + 1, last)
    return Events(items, is_gap=first > after + 1 or after > last, is_cut=latest < last)


def _event(name: bytes | str, fields: Mapping[bytes | str, Any]) -> Event:
    known = {_text(key): _text(value) for key, value in fields.items()}
    kind: Any = known["kind"]
    return Event(int(_text(name).partition("-")[0]), kind, json.loads(known["data"]))


def _at(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _json(data: Mapping[str, Any]) -> str:
    # What an application adds to its progress is for people: anything is better than nothing.
    return json.dumps(data, default=str, allow_nan=False)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
