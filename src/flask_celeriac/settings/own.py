"""The `CELERIAC_*` keys: ours, each with its type and default."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from .convert import WrongTypeError, to_bool, to_number, to_words
from .names import nearest_word

_PREFIX = "CELERIAC_"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TRANSPORTS = ("celeriac", "kombu")


def read_own(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Read every `CELERIAC_*` key.

    Args:
        config: `app.config`; not written to.
        problems: Gets one line for each unknown key and each wrong value.

    Returns:
        Values by the name of their field in `Settings`; keys that are absent or None are left out.
    """
    values: dict[str, Any] = {}
    for key in [key for key in config if isinstance(key, str) and key.startswith(_PREFIX)]:
        if key not in _READERS:
            near = nearest_word(key, OWN_NAMES)
            meant = f"Did you mean {near}?" if near else f"Known are {', '.join(OWN_NAMES)}."
            problems.append(f"{key}: Flask-Celeriac has no such setting. {meant}")
            continue
        name, read = _READERS[key]
        if config[key] is None:
            continue
        try:
            values[name] = read(config[key])
        except WrongTypeError as expected:
            problems.append(f"{key}: expected {expected}, got {type(config[key]).__name__}.")
    return values


def _names(value: Any) -> list[str]:
    """Read names from a list, or from text with commas."""
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",") if name.strip()]
    try:
        return to_words(value)
    except WrongTypeError:
        raise WrongTypeError("a list of names, or names with commas between them") from None


def _packages(value: Any) -> tuple[str, ...]:
    """Read names of importable packages."""
    names = _names(value)
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise WrongTypeError('names of packages, such as ["shop.reports"]')
    return tuple(names)


def _header(value: Any) -> str:
    """Read the name of a header."""
    if not isinstance(value, str) or not _HEADER_NAME.fullmatch(value):
        raise WrongTypeError("the name of a header, such as X-Request-ID")
    return value


def _seconds(value: Any) -> float:
    """Read a time above 0 that ends."""
    seconds = to_number(value)
    if not 0 < seconds < math.inf:
        raise WrongTypeError("a number of seconds above 0")
    return float(seconds)


def _count(value: Any) -> int:
    """Read a whole number, 0 or more."""
    number = to_number(value)
    if number != int(number) or number < 0:
        raise WrongTypeError("a whole number, 0 or more")
    return int(number)


def _queue_limits(value: Any) -> dict[str, int]:
    """Read how many messages may wait: in each queue, or by name."""
    if not isinstance(value, Mapping):
        return {"*": _count(value)}
    if not all(isinstance(name, str) for name in value):
        raise WrongTypeError('a number, or names of queues with numbers, such as {"mail": 1000}')
    return {name: _count(limit) for name, limit in value.items()}


def _folder(value: Any) -> str:
    """Read the path of a folder."""
    if not isinstance(value, (str, os.PathLike)) or not os.fspath(value):
        raise WrongTypeError("the path of a folder")
    return str(os.fspath(value))


def _transport(value: Any) -> str:
    """Read which transport carries messages."""
    if value not in _TRANSPORTS:
        raise WrongTypeError(" or ".join(f'"{name}"' for name in _TRANSPORTS))
    return str(value)


_READERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "CELERIAC_EXTRA_KEYS": ("extra_keys", lambda value: frozenset(_names(value))),
    "CELERIAC_MAX_BODY": ("max_body_bytes", _count),
    "CELERIAC_MAX_STREAMS": ("max_streams", _count),
    "CELERIAC_MAX_WAIT": ("max_wait_s", _seconds),
    "CELERIAC_PROGRESS_INTERVAL": ("progress_interval_s", _seconds),
    "CELERIAC_QUEUE_LIMITS": ("queue_limits", _queue_limits),
    "CELERIAC_REQUEST_ID_HEADER": ("request_id_header", _header),
    "CELERIAC_REQUIRE_DURABLE": ("require_durable", to_bool),
    "CELERIAC_RESULT_TIMEOUT": ("result_timeout_s", _seconds),
    "CELERIAC_STATE_DIR": ("state_dir", _folder),
    "CELERIAC_TASK_PACKAGES": ("task_packages", _packages),
    "CELERIAC_TRANSPORT": ("transport", _transport),
}
OWN_NAMES = tuple(sorted(_READERS))
