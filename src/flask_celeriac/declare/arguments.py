"""What people write for one of many calls, read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from celery.canvas import Signature

#: Positional and keyword arguments of one call, as people write them; and as they are read.
Pair: TypeAlias = tuple[Sequence[Any], Mapping[str, Any]]
Arguments: TypeAlias = tuple[Sequence[Any], dict[str, Any]]


def arguments_of(task: Any, place: int, call: Any) -> Arguments:
    """Return the arguments of *call*.

    Args:
        place: Of the call among the others, for the error.

    Raises:
        TypeError: It is neither a pair nor a signature.
        ValueError: It is a signature of another task, or one with options.
    """
    if type(call) is tuple and len(call) == 2 and type(call[0]) is tuple and type(call[1]) is dict:
        return call  # as most are
    if isinstance(call, Signature):
        return _of_signature(task, place, call)
    if isinstance(call, tuple | list) and len(call) == 2:
        args = () if call[0] is None else call[0]
        kwargs = {} if call[1] is None else call[1]
        if isinstance(args, tuple | list) and isinstance(kwargs, Mapping):
            return args, dict(kwargs)
    raise TypeError(
        f"Call {place} of {task.name!r} is {_kind(call)}: a call is a pair such as "
        "((1, 2), {'z': 3}), or a signature. Nothing was sent."
    )


def _of_signature(task: Any, place: int, signature: Any) -> Arguments:
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


def _kind(value: Any) -> str:
    """Say what *value* is; arguments may be secret."""
    name = type(value).__name__
    if not isinstance(value, tuple | list):
        return f"of type {name}"
    return f"a {name} of {', '.join(type(item).__name__ for item in value[:3]) or 'nothing'}"
