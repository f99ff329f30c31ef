"""Tasks of a Flask app that are sent past Celery's own path, with what the request adds to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from flask_celeriac.enqueue import originals
from flask_celeriac.enqueue.call import Call, new_id, sending_of
from flask_celeriac.enqueue.direct import DirectSender
from flask_celeriac.enqueue.ways import OPTIONS

from . import carry

# As `str | None`, which would be made anew for each message.
_TEXT_OR_NONE = (str, type(None))
_SEQUENCES = (list, tuple)


def send(
    task: Any, below: Callable[..., Any], args: Any, kwargs: Any, options: Mapping[str, Any]
) -> Any:
    """Send *task* past Celery, and return its result; None when it has to go by Celery's path.

    Args:
        below: The `apply_async` that `FlaskTask` would call next: of a base of the user's own, of
            a tracer, or Celery's.
        options: Of `apply_async`.

    Raises:
        TypeError: The arguments do not fit the function; nothing was sent.
        EncodeError: The arguments are not JSON; nothing was sent.
        kombu.exceptions.OperationalError: The message may or may not have arrived.
    """
    args, kwargs = args or (), kwargs or {}
    if not are_usual(args, kwargs) or not isinstance(options.get("task_id"), _TEXT_OR_NONE):
        return None
    call = call_of(task, below, options)
    if call is None:
        return None
    # What is new for each message names its publish as well, and the task where that has no name.
    tag = new_id()
    task_id = options.get("task_id") or tag
    message = call.message(task_id, args, kwargs, tag)
    sent_at_s = monotonic()
    call.publish((message,), tag)
    result = task.AsyncResult(task_id)
    result.sent_at_s = sent_at_s
    result.ignored = call.way.ignore_result
    if call.sending.parent and options.get("add_to_parent", True):
        call.sending.parent.add_trail(result)
    return result


def are_usual(args: Any, kwargs: Any) -> bool:
    """Tell whether these are arguments of the kinds that everybody uses."""
    return isinstance(args, _SEQUENCES) and type(kwargs) is dict


def call_of(
    task: Any,
    below: Callable[..., Any],
    options: Mapping[str, Any],
    group_id: str | None = None,
) -> Call | None:
    """Return what sends *task* past Celery; None when it has to go by Celery's path.

    Raises:
        CarryError: A value that travels with the task could not be dumped; nothing was sent.
        BrokerMissing: The app has no broker; nothing was sent.
    """
    if not options.keys() <= OPTIONS or getattr(below, "__func__", None) is not _apply_async:
        return None
    celery = task.app
    sender: DirectSender | None = celery.direct_sender
    way = sender.ways.find(task, options) if sender else None
    if sender is None or way is None:
        return None
    headers = carry.outgoing(celery.celeriac, None)
    sending = sending_of(celery, headers[carry.HEADER] if headers else None)
    return None if sending is None else Call(sender, task, way, sending, options, group_id)


_apply_async = originals.apply_async
