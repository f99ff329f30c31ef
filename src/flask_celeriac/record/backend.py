"""The result backend for Redis: stock keys, stock JSON, stock channels.

A stock `AsyncResult` reads and awaits what this backend stores, and the other way round. What
differs is how it waits (one connection for the process) and how it stores (one round trip, fenced).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from celery import states
from celery.backends import redis as celery_redis
from celery.exceptions import BackendStoreError
from kombu.utils.encoding import bytes_to_str
from redis import Connection, SSLConnection
from redis.sentinel import Sentinel, SentinelManagedConnection

from flask_celeriac.transport.redis.errors import heeding
from flask_celeriac.transport.redis.outcome import Outcome
from flask_celeriac.transport.redis.sentinels import asking_options

from .consumer import ResultConsumer
from .ending import holder_of, take_back
from .fence import Claim
from .storing import Store, warn_of_late_run
from .urls import celery_form, shown_form
from .waiting import OnInterval, OnMessage

# The stubs know few of the names that these classes have.
_StockRedis: Any = celery_redis.RedisBackend
_StockSentinel: Any = celery_redis.SentinelBackend
_Sentinel: Any = Sentinel
_StoreError: Any = BackendStoreError


class _Celeriac(_StockRedis):  # type: ignore[misc]
    """What both backends have in common."""

    _connection_class: type[Any] = Connection

    ResultConsumer = ResultConsumer

    def __init__(self, *args: Any, url: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, url=url and celery_form(url), **kwargs)
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
            self.result_consumer.registry.hold(result)
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
        holder = holder_of(self.app, request) if store_result and self._store.is_fenced else None
        if holder is None or request.ignore_result:
            super().mark_as_done(task_id, result, request, store_result, state)
            return
        claimant, number = holder
        encoded = self.encode_result(result, state)
        args = self._put_arguments(task_id, encoded, state, None, request)
        key, value, expires_s, _ = args
        claimant.bring(
            number,
            Outcome(
                key,
                value,
                expires_s,
                store=partial(self.ensure, self._store.put, args),
                tell_late=partial(warn_of_late_run, task_id, request),
            ),
        )

    def _store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Any = None,
        **_options: Any,
    ) -> Any:
        args = self._put_arguments(task_id, result, state, traceback, request)
        take_back(request)
        if not self.ensure(self._store.put, args):
            warn_of_late_run(task_id, request)
        return result

    def _put_arguments(
        self, task_id: str, result: Any, state: str, traceback: str | None, request: Any
    ) -> tuple[bytes, str | bytes, int, Claim | None]:
        """Return what `Store.put` needs.

        Raises:
            BackendStoreError: It is too large.
        """
        meta = self._get_result_meta(
            result=result, state=state, traceback=traceback, request=request
        )
        meta["task_id"] = bytes_to_str(task_id)
        value = self.encode(meta)
        if len(value) > self._MAX_STR_VALUE_SIZE:
            raise _StoreError("value too large for Redis backend", state=state, task_id=task_id)
        expires_s = self.failure_expires if state == states.FAILURE else self.expires
        claim = self._store.claim_for(request)
        return self.get_key_for_task(task_id), value, expires_s or 0, claim

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
