"""Types of Celery's settings: text from the environment becomes a value, or an error.

The rule for text where something else is expected (an environment variable that is no JSON):
numerals count as numbers; true/false, yes/no, on/off, 1/0 count as booleans; one word counts as a
list of one. Everything else is refused. Nothing is guessed from truth: "false" is not True.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from .names import option_of, stock_default

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
# Celery's table says `string`, its code takes more.
_ALSO_INT = frozenset(
    {
        "cassandra_port",
        "task_default_delivery_mode",
        "task_default_priority",
        "task_default_rate_limit",
    }
)
_ALSO_LIST = frozenset({"broker_read_url", "broker_url", "broker_write_url"})
_ALSO_MAPPING = frozenset({"cassandra_auth_kwargs"})
# Celery's table says `bool` or `dict`, its code takes both.
_SSL = frozenset({"broker_use_ssl", "redis_backend_use_ssl"})
_NUMBERS_IN_OPTIONS = frozenset(
    {
        "health_check_interval",
        "max_connections",
        "socket_connect_timeout",
        "socket_timeout",
        "unacked_restore_interval",
        "visibility_timeout",
    }
)


class WrongTypeError(Exception):
    """A value can not become what its setting needs; the text says what is expected only.

    Attributes:
        inner: The part of the value that is wrong, when it is not the whole.
    """

    def __init__(self, expected: str, inner: Any = None) -> None:
        super().__init__(expected)
        self.inner = inner


def convert(name: str, value: Any) -> Any:
    """Make *value* fit the setting *name*.

    Args:
        name: Celery's new name; an unknown one is not judged.
        value: As found in the app's configuration. Never changed in place.

    Returns:
        A value of the expected type; containers are copies.

    Raises:
        WrongTypeError: The value does not fit and can not be converted safely.
    """
    option = option_of(name)
    if option is None:
        return copied(value)
    special = _SPECIAL.get(name)
    if special is not None:
        return special(value)
    kind = option.type if isinstance(option.type, str) else getattr(option.type, "__name__", "any")
    if value is None:
        return _nothing(name, kind)
    if kind in ("string", "str") and not isinstance(value, str):
        return _other_than_text(name, value)
    return _KINDS.get(kind, copied)(value)


def copied(value: Any) -> Any:
    """Copy dicts, lists, tuples and sets to any depth; everything else is kept as it is."""
    if isinstance(value, Mapping):
        return {key: copied(inner) for key, inner in value.items()}
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(copied(inner) for inner in value)
    return value


def to_bool(value: Any) -> bool:
    """Read a boolean; text only by its plain words, since `bool("false")` is True."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise WrongTypeError("True or False")


def to_number(value: Any) -> float:
    """Read seconds or another number: int, float, timedelta or numeric text."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        value = _number_in(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise WrongTypeError("a number")
    return value


def to_whole(value: Any) -> float:
    """Read a whole number; a float such as 3.0 is kept as it is."""
    try:
        number = to_number(value)
    except WrongTypeError:
        raise WrongTypeError("a whole number") from None
    if number == math.inf or (math.isfinite(number) and number == int(number)):
        return number
    raise WrongTypeError("a whole number")


def to_words(value: Any) -> list[str]:
    """Read a list of names; one name counts as a list of one."""
    if isinstance(value, str) and value.strip() and not set(value) & set(", ;["):
        return [value]
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(v, str) for v in value):
        return sorted(value) if isinstance(value, (set, frozenset)) else list(value)
    raise WrongTypeError('a list of names, such as ["json"]')


def _number_in(text: str) -> float | str:
    """Give the number that *text* is, or *text* itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _nothing(name: str, kind: str) -> None:
    """Let None through where Celery gives it a meaning."""
    if kind in ("bool", "string", "str", "list", "tuple") and stock_default(name) is not None:
        raise WrongTypeError("a value; leave the key out for Celery's default")


def _other_than_text(name: str, value: Any) -> Any:
    """Let through what some text settings take besides text: lists of URLs, classes, objects."""
    if name in _ALSO_INT and type(value) is int:
        return value
    if name in _ALSO_MAPPING and isinstance(value, Mapping):
        return copied(value)
    if name in _ALSO_LIST:
        is_list = isinstance(value, (list, tuple)) and all(isinstance(url, str) for url in value)
        if not is_list or not value:
            raise WrongTypeError("a URL or a list of URLs")
        return list(value)
    if isinstance(value, (bool, int, float, bytes, Mapping, list, tuple, set, frozenset)):
        raise WrongTypeError("text; in an environment variable put it in double quotes")
    return value


def _to_mapping(value: Any) -> dict[Any, Any]:
    """Copy a dict."""
    if not isinstance(value, Mapping):
        raise WrongTypeError("a dict")
    result: dict[Any, Any] = copied(value)
    return result


def _to_options(value: Any) -> dict[Any, Any]:
    """Copy transport options; the numbers among them may be text."""
    options = {} if value is None else _to_mapping(value)
    for key in _NUMBERS_IN_OPTIONS & options.keys():
        if options[key] is None:
            continue
        try:
            options[key] = to_number(options[key])
        except WrongTypeError as error:
            raise WrongTypeError(f'{error} for "{key}"', options[key]) from None
    return options


def _to_expiry(value: Any) -> Any:
    """Keep a timedelta as it is: Celery reads it too."""
    return value if value is None or isinstance(value, timedelta) else to_number(value)


def _to_concurrency(value: Any) -> Any:
    """Read the number of pool processes, or "auto"."""
    if value is None or value == "auto":
        return value
    try:
        number = to_whole(value)
    except WrongTypeError:
        raise WrongTypeError('a whole number above 0, or "auto"') from None
    if not 1 <= number < math.inf:
        raise WrongTypeError('a whole number above 0, or "auto"')
    return int(number)


def _to_ssl(value: Any) -> Any:
    """Read True, False, or a dict of TLS options."""
    return copied(value) if value is None or isinstance(value, Mapping) else to_bool(value)


def _to_queues(value: Any) -> Any:
    """Copy queue declarations: a dict, or a list of kombu queues."""
    if value is not None and not isinstance(value, (Mapping, list, tuple, set, frozenset)):
        raise WrongTypeError("a dict or a list of kombu.Queue")
    return copied(value)


def _to_bytes(value: Any) -> Any:
    """Let text and bytes through."""
    if not isinstance(value, (str, bytes)):
        raise WrongTypeError("text or bytes")
    return value


_KINDS: dict[str, Callable[[Any], Any]] = {
    "bool": to_bool,
    "bytes": _to_bytes,
    "dict": _to_mapping,
    "float": to_number,
    "int": to_whole,
    "list": to_words,
    "tuple": to_words,
}
_SPECIAL: dict[str, Callable[[Any], Any]] = {
    "broker_transport_options": _to_options,
    "result_backend_transport_options": _to_options,
    "result_chord_expires": _to_expiry,
    "result_expires": _to_expiry,
    "result_failure_expires": _to_expiry,
    "task_queues": _to_queues,
    "worker_concurrency": _to_concurrency,
    **dict.fromkeys(_SSL, _to_ssl),
}
