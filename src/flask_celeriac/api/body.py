"""The JSON body of a request: bounded in size and depth, and without two meanings.

Source: RFC 8259; what it leaves to those who read (names given twice, `NaN`) is refused.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from .problem import Problem, invalid

#: How many objects and arrays may lie in one another.
DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Body:
    """An object that a request brought.

    Attributes:
        text: As it came; "{}" where nothing came.
        values: What it says.
    """

    text: bytes
    values: dict[str, Any]


def read_body(most_bytes: int) -> Body:
    """Read the body of the request; where there is none it is an empty object.

    Args:
        most_bytes: What is longer is not read.

    Raises:
        Problem: 400, 415 or 422: it is no JSON, says so not, or is no object.
        werkzeug.exceptions.RequestEntityTooLarge: It is longer.
    """
    text = _read(most_bytes)
    if not text:
        return Body(b"{}", {})
    if not request.is_json:
        raise Problem(415, "The body must be JSON: send it as application/json.")
    values = _loaded(text)
    if _is_deeper(values, DEEPEST):
        raise Problem(400, f"The body has more than {DEEPEST} objects and arrays in one another.")
    if not isinstance(values, dict):
        raise invalid("The body is no object.", [{"pointer": "#", "detail": "give an object"}])
    return Body(text, values)


def _read(most_bytes: int) -> bytes:
    own_bytes = request.max_content_length
    most_bytes = most_bytes if own_bytes is None else min(own_bytes, most_bytes)
    if (request.content_length or 0) > most_bytes:
        raise RequestEntityTooLarge
    # A body that does not say how long it is would be cut there without an error.
    request.max_content_length = most_bytes + 1
    text = request.get_data()
    if len(text) > most_bytes:
        raise RequestEntityTooLarge
    return text


def _loaded(text: bytes) -> Any:
    try:
        return json.loads(
            text.decode(),
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(400, f"The body is no JSON: see {where}.") from None
    except RecursionError:
        raise Problem(400, "The body has too many objects and arrays in one another.") from None
    except ValueError:
        raise Problem(
            400, "The body is no JSON: a name is there twice, or a number or text is none."
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError
    return values


def _refuse(_name: str) -> NoReturn:
    raise ValueError


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _is_deeper(value: Any, most: int) -> bool:
    level = _inside([value])
    for _ in range(most):
        level = [each for outer in level for each in _inside(outer)]
    return bool(level)


def _inside(outer: Any) -> list[Any]:
    """Return the objects and arrays right inside of one."""
    values = outer.values() if isinstance(outer, dict) else outer
    return [each for each in values if isinstance(each, dict | list)]
