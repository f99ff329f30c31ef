"""What a request may ask for beside the arguments: in its query, where the exposure allows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from werkzeug.datastructures import MultiDict

from flask_celeriac.declare.exposure import Exposure

from .problem import invalid

#: As JSON writes a number.
_SECONDS = re.compile(r"\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_LONGEST = 32
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)


def options_of(query: MultiDict[str, str], exposure: Exposure) -> dict[str, Any]:
    """Return the options of `apply_async` that a query asks for.

    Raises:
        Problem: 422; names each parameter that is unknown, given twice or not allowed.
    """
    options: dict[str, Any] = {}
    wrong: list[dict[str, str]] = []
    for name, texts in query.lists():
        try:
            options[name] = _read(name, texts, exposure)
        except _NotAllowedError as error:
            wrong.append({"parameter": name, "detail": str(error)})
    if wrong:
        raise invalid("The query asks for what this task does not take.", wrong)
    return options


def schemas_of(exposure: Exposure) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each option that may be asked for, by its name."""
    return dict(_schemas(exposure))


def _schemas(exposure: Exposure) -> Iterator[tuple[str, dict[str, Any]]]:
    if exposure.longest_countdown_s:
        longest_s = exposure.longest_countdown_s
        yield "countdown", {"type": "number", "minimum": 0, "maximum": longest_s}
    if exposure.priorities:
        yield "priority", {"type": "integer", "enum": [*exposure.priorities]}
    if exposure.queues:
        yield "queue", {"type": "string", "enum": [*exposure.queues]}


class _NotAllowedError(ValueError):
    """Says what would be."""


def _read(name: str, texts: list[str], exposure: Exposure) -> Any:
    reader = _READERS.get(name)
    if reader is None:
        raise _NotAllowedError("there is no such parameter")
    if name not in schemas_of(exposure):
        raise _NotAllowedError("this task does not take it")
    if len(texts) > 1:
        raise _NotAllowedError("give it once")
    return reader(texts[0], exposure)


def _countdown(text: str, exposure: Exposure) -> float:
    longest_s = exposure.longest_countdown_s
    seconds = float(text) if len(text) <= _LONGEST and _SECONDS.fullmatch(text) else -1.0
    if not 0 <= seconds <= longest_s:
        raise _NotAllowedError(f"give seconds, 0 to {longest_s:g}")
    return seconds


def _priority(text: str, exposure: Exposure) -> int:
    number = int(text) if _NUMBER.fullmatch(text) else -1
    if number not in exposure.priorities:
        raise _NotAllowedError(f"give one of {', '.join(map(str, exposure.priorities))}")
    return number


def _queue(text: str, exposure: Exposure) -> str:
    if text not in exposure.queues:
        raise _NotAllowedError(f"give one of {', '.join(exposure.queues)}")
    return text


_READERS: dict[str, Callable[[str, Exposure], Any]] = {
    "countdown": _countdown,
    "priority": _priority,
    "queue": _queue,
}
