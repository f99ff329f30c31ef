"""Many runs of one task, sent together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from celery.canvas import Signature
from kombu import serialization
from kombu.exceptions import EncodeError, OperationalError
from redis import RedisError

from flask_celeriac.enqueue.call import Call, new_ids
from flask_celeriac.enqueue.encoding import body_of as any_body_of
from flask_celeriac.enqueue.encoding import is_json_stock, stock_body_of
from flask_celeriac.errors import ArgumentsNotJSON, NotAllSent

from .result import AsyncResults
from .sending import call_of

#: Messages in one round trip.
BATCH = 500
_FAILURES = (OperationalError, RedisError)
_EXAMPLE = "a call is a pair such as ((1, 2), {'z': 3}), or a signature"
#: Options of a signature that is sent later or is part of something are not those of a plain call.
_OF_MANY = (
    "task_id",
    "group_id",
    "group_index",
    "chord",
    "producer",
    "connection",
    "link",
    "chain",
)


Arguments: TypeAlias = tuple[Sequence[Any], dict[str, Any]]


def send_many(
    task: Any,
    below: Callable[..., Any] | None,
    calls: Iterable[Any],
    options: Mapping[str, Any],
) -> AsyncResults[Any]:
    """Send *task* once for each of *calls*; see `Task.enqueue_many`.

    Args:
        below: As of `sending.call_of`; None: all have to go by Celery's path.
    """
    if wrong := [name for name in _OF_MANY if name in options]:
        raise TypeError(f"enqueue_many() takes no {wrong[0]!r}: it is not the same for all calls.")
    every = [_arguments_of(task, place, call) for place, call in enumerate(calls)]
    call = call_of(task, below, options) if below and every else None
    if call is None:
        return _send_one_by_one(task, every, options)
    return _send_in_batches(task, call, every, options)


def _send_in_batches(
    task: Any, call: Call, every: Sequence[Arguments], options: Mapping[str, Any]
) -> AsyncResults[Any]:
    ids = new_ids(len(every))
    messages = _messages(task, call, every, ids)
    for start in range(0, len(messages), BATCH):
        batch = messages[start : start + BATCH]
        try:
            call.publish(batch, ids[start])
        except _FAILURES as error:
            raise _not_all_sent(task, ids, start, len(batch), error) from error
    results = AsyncResults[Any](task.app, ids, is_ignored=call.way.ignore_result)
    if call.sending.parent and options.get("add_to_parent", True):
        for result in results:
            call.sending.parent.add_trail(result)
    return results


def _messages(task: Any, call: Call, every: Sequence[Arguments], ids: Sequence[str]) -> list[bytes]:
    message, body_of = call.message, stock_body_of if is_json_stock() else any_body_of
    made: list[bytes] = []
    try:
        for id_, (args, kwargs) in zip(ids, every, strict=True):
            # An id that is new here names its message and its publish as well.
            made.append(message(id_, args, kwargs, id_, body_of=body_of))
    except (EncodeError, TypeError) as error:
        raise _named(task, len(made), error) from error
    return made


def _send_one_by_one(
    task: Any, every: Sequence[Arguments], options: Mapping[str, Any]
) -> AsyncResults[Any]:
    """Send by Celery's path; what is wrong with the arguments is found before."""
    _check_all(task, every, options.get("serializer") or task.serializer)
    ids = new_ids(len(every))
    results: list[Any] = []
    for place, (args, kwargs) in enumerate(every):
        try:
            results.append(task.apply_async(args, kwargs, **options, task_id=ids[place]))
        except _FAILURES as error:
            raise _not_all_sent(task, ids, place, 1, error) from error
    return AsyncResults[Any](task.app, ids, made=results)


def _check_all(task: Any, every: Sequence[Arguments], serializer: str) -> None:
    check = getattr(task, "__header__", None) if task.typing else None
    for place, (args, kwargs) in enumerate(every):
        try:
            if check is not None:
                check(*args, **kwargs)
            serialization.dumps((args, kwargs), serializer=serializer)
        except (EncodeError, TypeError) as error:
            raise _named(task, place, error) from error


def _arguments_of(task: Any, place: int, call: Any) -> Arguments:
    if type(call) is tuple and len(call) == 2 and type(call[0]) is tuple and type(call[1]) is dict:
        return call  # as most are
    if isinstance(call, Signature):
        return _arguments_of_signature(task, place, call)
    if not isinstance(call, tuple | list) or len(call) != 2:
        raise TypeError(f"Call {place} of {task.name!r} is {_short(call)}: {_EXAMPLE}.")
    args, kwargs = call
    args, kwargs = () if args is None else args, {} if kwargs is None else kwargs
    if not isinstance(args, tuple | list) or not isinstance(kwargs, Mapping):
        raise TypeError(f"Call {place} of {task.name!r} is {_short(call)}: {_EXAMPLE}.")
    return args, kwargs if type(kwargs) is dict else dict(kwargs)


def _arguments_of_signature(task: Any, place: int, signature: Any) -> Arguments:
    if signature.task != task.name or signature.get("subtask_type"):
        raise ValueError(
            f"Call {place} is a signature of {signature.task!r}: enqueue_many() of {task.name!r} "
            "sends that task alone. Use a group. Nothing was sent."
        )
    if given := [name for name, value in signature.options.items() if value]:
        raise ValueError(
            f"Call {place} of {task.name!r} is a signature with options ({', '.join(given)}): give "
            "options that all calls share to enqueue_many(), or use a group. Nothing was sent."
        )
    return tuple(signature.args), dict(signature.kwargs)


def _named(task: Any, place: int, error: Exception) -> Exception:
    """Return *error* as one that says which call is wrong."""
    if isinstance(error, EncodeError):
        return ArgumentsNotJSON(
            f"The arguments of call {place} of {task.name!r} can not be encoded: {error}. Pass "
            "ids, numbers and texts. Nothing was sent."
        )
    return TypeError(f"Call {place} of {task.name!r}: {error}. Nothing was sent.")


def _not_all_sent(
    task: Any, ids: Sequence[str], sent: int, uncertain: int, error: Exception
) -> NotAllSent:
    return NotAllSent(
        f"Of {len(ids)} calls of {task.name!r} the first {sent} were sent; the next {uncertain} "
        f"may or may not have arrived, and no further ones were sent: {error}",
        tuple(ids[:sent]),
        tuple(ids[sent : sent + uncertain]),
    )


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) < 80 else f"{shown[:77]}..."
