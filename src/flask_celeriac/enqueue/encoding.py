"""Arguments as text: their JSON, and the short form that logs and monitors show.

Both are what Celery and kombu make of them, to the character.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celery.utils.saferepr import saferepr
from kombu import serialization

from flask_celeriac.kombu_json import to_json

#: Celery's limit, in characters; ours, below which nothing is cut.
BRIEF_SIZE = 1024
_UNCUT_SIZE = 512
_SELF_EVIDENT = frozenset({int, float, bool, type(None)})

#: Of a task that nothing follows, as Celery writes it.
_FOLLOWED_BY = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
_STOCK_END = f", {to_json(_FOLLOWED_BY)}]"


def body_of(args: Any, kwargs: Any) -> str:
    """Return the body of a message by the serializer "json", whoever registered it.

    Raises:
        EncodeError: It can not be encoded.
    """
    return str(serialization.dumps((args, kwargs, _FOLLOWED_BY), serializer="json")[2])


def stock_body_of(args: Any, kwargs: Any) -> str:
    """The same, twice as fast, where `kombu_json.is_stock`."""
    try:
        return to_json((args, kwargs))[:-1] + _STOCK_END
    except Exception:
        return body_of(args, kwargs)  # which fails as kombu does


# Celery's own walks through every value; most arguments are a few numbers and short texts.
def brief_args(args: Sequence[Any], levels: int) -> str:
    """Return what Celery shows of positional arguments.

    Args:
        levels: `task_repr_maxlevels`.
    """
    if type(args) is tuple and (words := _brief_words(args)) is not None:
        return f"({words}{',' if len(args) == 1 else ''})"
    return str(saferepr(args, BRIEF_SIZE, maxlevels=levels))


def brief_kwargs(kwargs: Mapping[str, Any], levels: int) -> str:
    """Return what Celery shows of keyword arguments."""
    return str(saferepr(kwargs, BRIEF_SIZE, maxlevels=levels)) if kwargs else "{}"


def _brief_words(values: tuple[Any, ...]) -> str | None:
    """Return the values with commas between them; None where that takes more thought."""
    words = []
    for value in values:
        kind = type(value)
        if kind in _SELF_EVIDENT:
            words.append(str(value))
        elif kind is str and len(value) < _UNCUT_SIZE:
            quoted = value.replace("'", "\\'") if "'" in value else value
            words.append(f"'{quoted}'")
        else:
            return None
    joined = ", ".join(words)
    return joined if len(joined) < _UNCUT_SIZE else None
