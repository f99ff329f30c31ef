"""The result backend for Redis: stock keys, stock JSON, stock channels.

A stock `AsyncResult` reads and awaits what this backend stores, and the other way round. What
differs is how it waits (one connection for the process) and how it stores (one round trip, fenced).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Any, cast

from celery import states
from celery.backends import redis as celery_redis
from celery.exceptions import BackendStoreError
from kombu.utils.encoding import bytes_to_str
from redis import Connection, SSLConnection
from redis.sentinel import Sentinel, SentinelManagedConnection

from flask_celeriac.errors import ResultBackendUnavailable
from flask_celeriac.transport.redis.errors import heeding
from flask_celeriac.transport.redis.outcome import Outcome
from flask_celeriac.transport.redis.sentinels import asking_options

from . import crossing
from .consumer import ResultConsumer
from .ending import holder_of, may_wait, take_back
from .fence import Claim
from .journal.on_redis import RedisJournal
from .plain_json import PlainJson
from .storing import Store, warn_of_late_run
from .urls import celery_form, shown_form
from .waiting import OnInterval, OnMessage

# The stubs know few of the names that these classes have.
_StockRedis: Any = celery_redis.RedisBackend
_StockSentinel: Any = celery_redis.SentinelBackend
_Sentinel: Any = Sentinel
_StoreError: Any = BackendStoreError


class _Celeriac(PlainJson, _StockRedis):  # type: ignore[misc]
    """What both backends have in common."""

    _connection_class: type[Any] = Connection

    ResultConsumer = ResultConsumer

    def __init__(self, *args: Any, url: str | None = None, **kwargs: Any) -> None:
        celery: Any = super()
        celery.__init__(*args, url=url and celery_form(url), **kwargs)
        # One backend an app: the listener serves all threads, redis-py's pool as well.
        self.thread_safe = True
        self._store = Store(self)

    def as_uri(self, include_password: bool = False) -> str:
        """Give the URL under its stock scheme; passwords are masked unless asked for."""
        return shown_form(str(super().as_uri(include_password=include_password)))

    def _params_from_url(self, url: str, defaults: dict[str, Any]) -> dict[str, Any]:
        params: dict[str, Any] = super()._params_from_url(url, defaults)
        if issubclass(params.get("connection_class", object), SSLConnection):
            # Celery refuses an URL that does not say; we verify.
            params.setdefault("ssl_cert_reqs", "required")
        return params

    def _get_pool(self, **params: Any) -> Any:
        """As in Celery; what a server refuses for now is tried again like a lost connection."""
        kind = params.get("connection_class", self._connection_class)
        return super()._get_pool(**{**params, "connection_class": heeding(kind)})

    def on_task_call(self, producer: Any, task_id: str) -> dict[str, Any]:  # noqa: ARG002
        """Nothing: a task that nobody waits for costs no subscription."""
        return {}

    def add_pending_result(
        self,
        result: Any,
        weak: bool = False,
        start_drainer: bool = True,  # noqa: ARG002
    ) -> Any:
        """Listen for *result*. Groups ask weakly, for each member when it is sent: then not yet."""
        if not weak and not result.on_ready.ready:
            is_awaited = getattr(result, "is_awaited", False)
            self.result_consumer.registry.hold(result, is_awaited=is_awaited)
        return result

    def add_pending_results(self, results: Iterable[Any], weak: bool = False) -> list[Any]:
        """The same for many."""
        return [self.add_pending_result(result, weak=weak) for result in results]

    def remove_pending_result(self, result: Any) -> Any:
        """Listen for *result* no longer, even if callbacks wait for it."""
        self.result_consumer.forget_result(result)
        return result

    def iter_native(
        self,
        result: Any,
        no_ack: bool = True,  # noqa: ARG002
        timeout: float | None = None,
        on_message: OnMessage = None,
        on_interval: OnInterval = None,
        **_options: Any,
    ) -> Iterator[tuple[str, Any]]:
        """Give the members of a set as they come: their ids with their metas or their members.

        Raises:
            celery.exceptions.TimeoutError: Some were not there after *timeout* seconds.
        """
        self._ensure_not_eager()
        for node in self.result_consumer.each(result.results, timeout, on_message, on_interval):
            yield node.id, node._cache if hasattr(node, "_cache") else node.children

    def is_late(self, request: Any) -> bool:
        """Tell whether the run of *request* has lost its claim; False where that is not known."""
        claim = self._store.claim_for(request)
        return claim is not None and not self.ensure(self._store.has, (claim,))

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        """As in Celery; where nobody can tell, the result is stored with the acknowledgement."""
        if not (store_result and self._store.is_fenced and may_wait(self.app, request)):
            super().mark_as_done(task_id, result, request, store_result, state)
            return
        holder = holder_of(request)
        if holder is None and not crossing.is_awaited(task_id):
            super().mark_as_done(task_id, result, request, store_result, state)
            return
        value = self._value(task_id, self.encode_result(result, state), state, None, request)
        if holder is not None:
            claimant, number = holder
            claimant.bring(number, self.outcome(task_id, value, lambda: request))
        elif not crossing.keep(value):
            self._put_or_warn(task_id, value, self.expires, request)

    def outcome(self, task_id: str, value: str | bytes, request: Callable[[], Any]) -> Outcome:
        """Return what is to be stored with the end of the claim of a task that has succeeded.

        Args:
            value: The encoded meta.
            request: Gives the request of the task, where it is needed.
        """
        key, expires_s = self.get_key_for_task(task_id), self.expires or 0
        return Outcome(
            key,
            value,
            expires_s,
            store=lambda: self._put(key, value, expires_s, request()),
            tell_late=lambda: warn_of_late_run(task_id, request()),
        )

    def mark_as_revoked(
        self,
        task_id: str,
        reason: str = "",
        request: Any = None,
        store_result: bool = True,
        state: str = states.REVOKED,
    ) -> None:
        """As in Celery; says who cancelled the task, and why, where that is known."""
        with suppress(ResultBackendUnavailable):
            if (wish := self.journal.cancellation(task_id)) is not None:
                reason = str(wish)
        super().mark_as_revoked(task_id, reason, request, store_result, state)

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_options: Any,
    ) -> Any:
        value = self._value(task_id, result, state, traceback, request)
        expires_s = self.failure_expires if state == states.FAILURE else self.expires
        take_back(request)
        self._put_or_warn(task_id, value, expires_s, request)
        return result

    def encode_state(
        self, task_id: str, result: Any, state: str, request: Any = None
    ) -> str | bytes:
        """Return the encoded meta of a task in *state*, as it would be stored.

        Raises:
            BackendStoreError: It is too large.
            kombu.exceptions.EncodeError: It can not be encoded.
        """
        return self._value(task_id, result, state, None, request)

    def claim_for(self, request: Any) -> Claim | None:
        """Return the claim that a store for *request* needs, if one can be checked."""
        return self._store.claim_for(request)

    def replaceable(self, answer: str | bytes) -> str:
        """See `Store.replaceable`."""
        return self._store.replaceable(answer)

    @cached_property
    def journal(self) -> RedisJournal:
        """What is known of tasks that the application exposes."""
        return RedisJournal(self)

    def _put_or_warn(
        self, task_id: str, value: str | bytes, expires_s: int | None, request: Any
    ) -> None:
        if not self._put(self.get_key_for_task(task_id), value, expires_s or 0, request):
            warn_of_late_run(task_id, request)

    def _put(self, key: bytes, value: str | bytes, expires_s: int, request: Any) -> Any:
        claim = self._store.claim_for(request)
        return self.ensure(self._store.put, (key, value, expires_s, claim))

    def _value(
        self, task_id: str, result: Any, state: str, traceback: str | None, request: Any
    ) -> str | bytes:
        """Return an encoded meta.

        Raises:
            BackendStoreError: It is too large.
        """
        meta = self._get_result_meta(
            result=result, state=state, traceback=traceback, request=request
        )
        meta["task_id"] = bytes_to_str(task_id)
        value: str | bytes = self.encode(meta)
        if len(value) > self._MAX_STR_VALUE_SIZE:
            raise _StoreError("value too large for Redis backend", state=state, task_id=task_id)
        return value

    def _get_result_meta(
        self, result: Any, state: str, traceback: str | None, request: Any, **more: Any
    ) -> dict[str, Any]:
        """As in Celery, which looks up a setting and converts a time at each call."""
        if more or self._is_extended or state not in states.READY_STATES:
            meta = super()._get_result_meta(result, state, traceback, request, **more)
            return cast("dict[str, Any]", meta)
        meta = {
            "status": state,
            "result": result,
            "traceback": traceback,
            "children": self.current_task_children(request),
            "date_done": datetime.now(self.app.timezone).isoformat(),
        }
        for name, of_request in (("group_id", "group"), ("parent_id", "parent_id")):
            if value := getattr(request, of_request, None):
                meta[name] = value
        return meta

    @cached_property
    def _is_extended(self) -> bool:
        return bool(self.app.conf.result_extended)

    def on_chord_part_return(
        self, request: Any, state: str, result: Any, propagate: Any = None, **kwargs: Any
    ) -> None:
        """Count a part of a chord, unless this is a late run."""
        if request.group and not self._store.has(self._store.claim_for(request)):
            return
        super().on_chord_part_return(request, state, result, propagate, **kwargs)


class RedisBackend(_Celeriac):
    """Results in one Redis: ``celeriac-redis://``, ``celeriac-rediss://``, ``celeriac-socket://``.

    Options, keys and messages are those of Celery's own backend.
    """


class SentinelBackend(_Celeriac, _StockSentinel):  # type: ignore[misc]
    """Results in the master that Sentinels name: ``celeriac-sentinel://a:26379/0;...``."""

    _connection_class = SentinelManagedConnection

    def _get_sentinel_instance(self, **params: Any) -> Any:
        """As in Celery, but a dead Sentinel does not hold up long."""
        hosts = params.pop("hosts")
        options = self._transport_options
        return _Sentinel(
            [(host["host"], host["port"]) for host in hosts],
            min_other_sentinels=options.get("min_other_sentinels", 0),
            sentinel_kwargs=asking_options(options.get("sentinel_kwargs"), params),
            **params,
        )
