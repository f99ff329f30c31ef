"""Members of a group, published together.

Celery sends the members one by one, all with one producer, which it takes from
`Celery.producer_or_acquire` and gives back after the last one. So what such a producer is to send
may be held until then. A member that needs Celery's own path is sent after those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from time import monotonic
from typing import Any

from flask_celeriac.enqueue.call import Call, new_ids
from flask_celeriac.enqueue.ways import OPTIONS

from .many import BATCH
from .sending import are_usual, call_of

#: Options of a plain member; the first are of its own, the others the same for all of a group.
_OF_MEMBER = frozenset({"task_id", "group_index", "reply_to", "add_to_parent"})
_OF_GROUP = frozenset({"group_id", "producer"})
_SHARED = tuple(sorted(OPTIONS - _OF_MEMBER))
_ABSENT = object()
#: A group may come from a generator that takes its time.
_HELD_AT_MOST_S = 0.1


class Held:
    """Messages that one producer is to send.

    Args:
        producer: Its connection is used, so that no second one is needed.
    """

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._calls: dict[tuple[Any, ...], Call | None] = {}
        self._messages: dict[tuple[Any, ...], tuple[Call, list[bytes]]] = {}
        self._since: float | None = None

    def add(self, call: Call, message: bytes) -> None:
        """Hold *message*, and publish what has waited long enough or is a whole batch."""
        now = monotonic()
        _, messages = self._messages.setdefault(call.place, (call, []))
        messages.append(message)
        self._since = self._since or now
        if len(messages) == BATCH or now - self._since > _HELD_AT_MOST_S:
            self.publish()

    def publish(self) -> None:
        """Publish all in the order in which they came, of each queue and priority.

        Raises:
            kombu.exceptions.OperationalError: What was held may or may not have arrived.
        """
        held, self._messages, self._since = self._messages, {}, None
        # Somebody may have begun to listen; what is known is asked again.
        self._calls.clear()
        for call, messages in held.values():
            call.publish(messages, new_ids(1)[0], self._producer)

    def call(self, task: Any, below: Callable[..., Any], options: Mapping[str, Any]) -> Call | None:
        """Return what makes the message of a member; None when Celery has to."""
        key = (task, options["group_id"], *[options.get(name, _ABSENT) for name in _SHARED])
        try:
            is_known = key in self._calls
        except TypeError:
            return None  # an option of a kind that has no hash
        if not is_known:
            shared = {name: options[name] for name in _SHARED if name in options}
            self._calls[key] = call_of(task, below, shared, options["group_id"])
        return self._calls[key]


class Holding:
    """What the producers of one Celery app hold."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}

    @contextmanager
    def around(self, context: AbstractContextManager[Any]) -> Iterator[Any]:
        """Let the producer of *context* hold messages; what it holds is published at the end.

        After an error nothing of that is sent.
        """
        with context as producer:
            held = self._held[id(producer)] = Held(producer)
            try:
                yield producer
                held.publish()
            finally:
                del self._held[id(producer)]

    def of(self, producer: Any) -> Held | None:
        """Return what *producer* holds; None if it is to send at once."""
        return self._held.get(id(producer))


def send(
    task: Any, below: Callable[..., Any], args: Any, kwargs: Any, options: Mapping[str, Any]
) -> Any:
    """Hold a member of a group, and return its result; None when it has to go by Celery's path.

    Args:
        below, options: As of `sending.send`; there is a producer among the options.

    Raises:
        TypeError, EncodeError: As of `sending.send`; what is held is not sent either.
        kombu.exceptions.OperationalError: What was held may or may not have arrived.
    """
    held: Held | None = task.app.holding.of(options["producer"])
    if held is None:
        return None
    args, kwargs = args or (), kwargs or {}
    is_plain = _is_plain(task, options) and are_usual(args, kwargs)
    call = held.call(task, below, options) if is_plain else None
    if call is None:
        held.publish()
        return None
    task_id, index = options["task_id"], options["group_index"]
    held.add(call, call.message(task_id, args, kwargs, new_ids(1)[0], group_index=index))
    result = task.AsyncResult(task_id)
    result.ignored = call.way.ignore_result
    return result


def _is_plain(task: Any, options: Mapping[str, Any]) -> bool:
    """Tell whether this is what Celery gives to the members of a group, and no more."""
    return (
        options.keys() <= OPTIONS | _OF_MEMBER | _OF_GROUP
        and options.get("add_to_parent") is False
        and options.get("reply_to") == task.app.thread_oid
        and type(options.get("group_id")) is str
        and type(options.get("group_index")) is int
        and type(options.get("task_id")) is str
    )
