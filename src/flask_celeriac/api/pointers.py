"""Where in a body each mistake is, and what it is: without a word of what was sent.

Source: RFC 6901, section 6; RFC 9457, section 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, get_args
from urllib.parse import quote

#: How many are told.
MOST = 50

_REFUSED = "Value is refused by the application"
#: Where pydantic's own message has something of the value in it.
_TALKATIVE = frozenset({"value_error", "assertion_error", "union_tag_invalid"})


def mistakes(errors: Iterable[Mapping[str, Any]], body: Any) -> list[dict[str, str]]:
    """Return what pydantic found, as members of a problem: up to 50.

    Args:
        errors: Of its `ValidationError`.
        body: What was validated.
    """
    # Alternatives of a union often have the same to say.
    found = dict.fromkeys((_place(error, body), _detail(error)) for error in errors)
    return [{"pointer": place, "detail": detail} for place, detail in islice(found, MOST)]


def _place(error: Mapping[str, Any], body: Any) -> str:
    parts = [*_way(error["loc"], body)]
    if error["type"].startswith("missing"):
        parts.append(error["loc"][-1])
    return pointer(*parts)


def pointer(*parts: int | str) -> str:
    """Return the JSON pointer to the value that *parts* lead to, as a fragment of an URI."""
    return "#" + "".join(f"/{_escaped(part)}" for part in parts)


def _way(location: Sequence[int | str], body: Any) -> Iterator[int | str]:
    """Give the parts of *location* that lead somewhere; others name alternatives of a union."""
    place: Any = body
    part: Any
    for part in location:
        is_name = isinstance(place, dict) and part in place
        is_index = isinstance(place, list) and isinstance(part, int) and 0 <= part < len(place)
        if is_name or is_index:
            place = place[part]
            yield part


def _escaped(part: int | str) -> str:
    return quote(str(part).replace("~", "~0").replace("/", "~1"), safe="~!$&'()*+,;=:@?")


def _detail(error: Mapping[str, Any]) -> str:
    message: str = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    is_own = error["type"] in _own_types() and error["type"] not in _TALKATIVE
    return message if is_own or not _tells(message, error["input"]) else _REFUSED


@cache
def _own_types() -> frozenset[str]:
    from pydantic_core.core_schema import ErrorType

    return frozenset(get_args(ErrorType))


def _tells(message: str, value: Any) -> bool:
    """Tell whether *message*, of the application's code, has something of *value* in it."""
    if isinstance(value, Mapping):
        return any(_tells(message, inner) for inner in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return any(_tells(message, inner) for inner in value)
    return value not in (None, "") and str(value) in message
