"""Which messages need nothing of Celery's router and kombu's producer, and where they go.

What is not understood here goes by Celery's own path. Of a task's attributes without a public
name `_dump_pydantic_arguments` is read, by which Celery knows `pydantic=True`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from celery import signals
from celery.app import task as celery_task
from celery.app.routes import Router
from celery.backends.base import Backend
from kombu import Queue

from flask_celeriac.record.backend import RedisBackend
from flask_celeriac.transport.amqp import AMQP
from flask_celeriac.transport.redis import urls
from flask_celeriac.transport.redis.transport import Transport

from . import encoding, originals
from .live_settings import LiveSettings
from .template import Template

#: Options of `apply_async` that are understood here.
OPTIONS = frozenset(
    {"task_id", "countdown", "eta", "queue", "priority", "ignore_result", "add_to_parent"}
)
_LONGEST_COUNTDOWN_S = 1e9
_MOST_WAYS = 64
_SIGNALS: Any = (signals.before_task_publish, signals.after_task_publish, signals.task_sent)
# The stubs leave these names out.
_task: Any = celery_task
_Base: Any = Backend
_Ours: Any = RedisBackend
#: What a backend does about a task that is sent, where it does nothing.
_DOES_NOTHING = (_Base.on_task_call, _Ours.on_task_call)
#: Attributes of a task that Celery takes for options, and that are left to Celery when set.
_LEFT_TO_CELERY = (
    *("routing_key", "exchange", "expires", "delivery_mode", "compression"),
    *("immediate", "mandatory"),
)


@dataclass(eq=False, slots=True)
class Way:
    """Where messages of a task go, and what they have in common.

    Attributes:
        limits_s: `time_limit` and `soft_time_limit` of the task.
        templates: By whether they have our header, and the process whose name is in them.
    """

    queue: Queue
    priority: int | None
    ignore_result: bool
    limits_s: tuple[Any, Any]
    templates: dict[tuple[bool, int], Template] = field(default_factory=dict)


@dataclass(slots=True)
class _Defaults:
    """What a task says itself, and the ways that its messages have gone.

    Attributes:
        ways: By the name of the queue, as it was asked for, priority and `ignore_result`.
    """

    queue: Any
    priority: Any
    limits_s: tuple[Any, Any]
    ways: dict[tuple[Any, ...], Way] = field(default_factory=dict)


class Ways:
    """The ways of the tasks of one Celery app.

    What Celery reads once for all publishes is read once here as well.

    Args:
        celery: Its broker is reached by our transport.
    """

    def __init__(self, celery: Any) -> None:
        self._celery, self.amqp = celery, celery.amqp
        self._conf = celery.conf
        self._send_message = self.amqp.send_task_message
        self._parts = vars(self.amqp)
        self._settings = LiveSettings(celery)
        self._is_plain = self._has_plain_parts()
        self._defaults: dict[str, tuple[Any, _Defaults | None]] = {}
        self._pool: Any = None
        self._is_pool_ours = False

    def find(self, task: Any, options: Mapping[str, Any]) -> Way | None:
        """Return how *task* goes its way; None when it has to go by Celery's.

        Args:
            options: Of `apply_async`; all names are in `OPTIONS`.
        """
        if not self._is_plain or not originals.are_in_place() or _is_watched():
            return None
        settings = self._settings()
        if settings["task_always_eager"] or settings["task_send_sent_event"]:
            return None
        if (options and not _can_wait(options)) or not self._is_unchanged():
            return None
        defaults = self._defaults_of(task)
        if defaults is None:
            return None
        priority = options.get("priority", defaults.priority)
        ignore_result = options.get("ignore_result", task.ignore_result)
        if type(priority) not in (int, type(None)) or type(ignore_result) is not bool:
            return None
        # As in Celery, `queue=None` is not the task's queue but the default one.
        name = options.get("queue", defaults.queue) or settings["task_default_queue"]
        if not isinstance(name, str) or not self._has_our_pool():
            return None
        key = (name, priority, ignore_result)
        way = defaults.ways.get(key)
        if way is None or way.queue is not self._part("queues").get(name):
            queue = self._queue(name)
            if queue is None:
                return None
            if len(defaults.ways) >= _MOST_WAYS:
                defaults.ways.clear()
            way = defaults.ways[key] = Way(queue, priority, ignore_result, defaults.limits_s)
        return way

    def _has_plain_parts(self) -> bool:
        conf, amqp = self._conf, self.amqp
        return bool(
            type(amqp) is AMQP
            and originals.is_as_written(self._send_message)
            and conf.task_protocol == 2
            and conf.task_serializer == "json"
            and not conf.task_compression
            and type(amqp.router) is Router
            and amqp.argsrepr_maxsize == amqp.kwargsrepr_maxsize == encoding.BRIEF_SIZE
        )

    def _part(self, name: str) -> Any:
        """Return what is made when it is first asked for, past kombu's lock around that."""
        parts = self._parts
        return parts[name] if name in parts else getattr(self.amqp, name)

    def _is_unchanged(self) -> bool:
        """Tell whether no part of the app asks for Celery's path that did not at first."""
        return not (
            self._part("router").routes
            or self._part("send_task_message") is not self._send_message
            or type(self._celery.backend).on_task_call not in _DOES_NOTHING
        )

    def _defaults_of(self, task: Any) -> _Defaults | None:
        """Return the task's own options, read once as Celery does; None: left to Celery."""
        known = self._defaults.get(task.name)
        if known is None or known[0] is not task:
            known = self._defaults[task.name] = (task, _defaults_of(task))
        return known[1]

    def _queue(self, name: str) -> Queue | None:
        """Return the queue that Celery finds, or makes, by its name; None: left to Celery."""
        try:
            queue = self._part("queues")[name]
        except KeyError:
            return None
        is_direct = type(queue) is Queue and queue.exchange and queue.exchange.type == "direct"
        return queue if is_direct else None

    def _has_our_pool(self) -> bool:
        pool = self._celery.pool
        if pool is not self._pool:
            connection = pool.connection
            self._is_pool_ours = issubclass(connection.get_transport_cls(), Transport) and all(
                urls.is_ours(url) for url in connection.alt
            )
            self._pool = pool
        return self._is_pool_ours


def _can_wait(options: Mapping[str, Any]) -> bool:
    """Tell whether the message is due at once, or at a time that is given in a usual way."""
    countdown_s, eta = options.get("countdown"), options.get("eta")
    if countdown_s is not None:
        is_number = type(countdown_s) in (int, float)
        return eta is None and is_number and 0 <= countdown_s < _LONGEST_COUNTDOWN_S
    return eta is None or isinstance(eta, datetime)


def _is_watched() -> bool:
    before, after, sent = _SIGNALS
    return bool(before.receivers or after.receivers or sent.receivers)


def _defaults_of(task: Any) -> _Defaults | None:
    options: dict[str, Any] = _task.extract_exec_options(task)
    is_usual = (
        type(task).shadow_name is originals.shadow_name
        and not getattr(task, "__v2_compat__", False)
        and getattr(task, "_dump_pydantic_arguments", None) is None
        and options["serializer"] in (None, "json")
        and all(options[name] is None for name in _LEFT_TO_CELERY)
    )
    hard_s, soft_s = limits_s = options["time_limit"], options["soft_time_limit"]
    if not is_usual or (soft_s and hard_s and soft_s > hard_s):
        return None
    return _Defaults(options["queue"], options["priority"], limits_s)
