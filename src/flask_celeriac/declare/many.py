"""Many runs of one task, sent together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from kombu import serialization
from kombu.exceptions import EncodeError, OperationalError
from redis import RedisError

from flask_celeriac.enqueue.call import Call, new_ids
from flask_celeriac.errors import ArgumentsNotJSON, NotAllSent
from flask_celeriac.transport.redis.sizes import require_size

from .arguments import Arguments, arguments_of
from .recorded import is_exposed, recorded
from .result import AsyncResults
from .sending import call_of

#: Messages in one round trip.
BATCH = 500
_FAILURES = (OperationalError, RedisError)
#: Options of `apply_async` that calls can not share.
_OF_ONE = ("task_id", "group_id", "group_index", "chord")


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
    if wrong := [name for name in _OF_ONE if name in options]:
        raise TypeError(f"enqueue_many() takes no {wrong[0]!r}: it is not the same for all calls.")
    if is_exposed(task):
        options = {"ignore_result": False, **options}
    every = [arguments_of(task, place, call) for place, call in enumerate(calls)]
    call = call_of(task, below, options) if below and every else None
    if call is None:
        return _send_one_by_one(task, every, options)
    return _send_in_batches(task, call, every, options)


def _send_in_batches(
    task: Any, call: Call, every: Sequence[Arguments], options: Mapping[str, Any]
) -> AsyncResults[Any]:
    ids = new_ids(len(every))
    messages = _messages(task, call, every, ids)
    require_size(messages, call.most_bytes)
    is_recorded = is_exposed(task)
    with recorded(task.app, task.name, ids, options) if is_recorded else nullcontext():
        _publish(task, call, messages, ids)
    results = AsyncResults[Any](task.app, ids, is_ignored=call.way.ignore_result)
    if call.sending.parent and options.get("add_to_parent", True):
        for result in results:
            call.sending.parent.add_trail(result)
    return results


def _publish(task: Any, call: Call, messages: Sequence[bytes], ids: Sequence[str]) -> None:
    for start in range(0, len(messages), BATCH):
        batch = messages[start : start + BATCH]
        try:
            call.publish(batch, ids[start])
        except _FAILURES as error:
            raise _not_all_sent(task, ids, start, len(batch), error) from error


def _messages(task: Any, call: Call, every: Sequence[Arguments], ids: Sequence[str]) -> list[bytes]:
    message = call.message
    made: list[bytes] = []
    try:
        for id_, (args, kwargs) in zip(ids, every, strict=True):
            # An id that is new here names its message and its publish as well.
            made.append(message(id_, args, kwargs, id_))
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
    # Models of pydantic are no JSON until Celery has dumped them.
    is_encoded = getattr(task, "_dump_pydantic_arguments", None) is None
    for place, (args, kwargs) in enumerate(every):
        try:
            if check is not None:
                check(*args, **kwargs)
            if is_encoded:
                serialization.dumps((args, kwargs), serializer=serializer)
        except (EncodeError, TypeError) as error:
            raise _named(task, place, error) from error


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
