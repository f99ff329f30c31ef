"""A message that Celery and kombu made once, with gaps for what differs from one to the next.

So whatever they write into messages is in ours as well, without a second list of it here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any
from uuid import uuid4

from flask_celeriac.kombu_json import text_to_json, to_json

#: The header that `declare.carry` fills.
OUR_HEADER = "celeriac"

#: Ids of the parent, of who waits for the result and of the group, due time; our header as JSON.
Shared = tuple[str | None, str | None, str | None, str | None, str | None]
_OF_CALL = ("parent", "reply_to", "eta", "group")

_MARK = uuid4().hex
_GAP = re.compile(f'"{_MARK}-(\\w+)"')


def gap(name: str) -> str:
    """Return a text that stands in a message where another value will."""
    return f"{_MARK}-{name}"


class Template:
    """The JSON of a message with gaps.

    Args:
        message: Has a :func:`gap` wherever a message has something of its own, or shares it only
            with those of its call.
        encode_body: What the body goes through before it is filled in.
    """

    def __init__(self, message: Mapping[str, Any], encode_body: Callable[[str], str]) -> None:
        self.encode_body = encode_body
        # Text and name of a gap in turn, text at both ends.
        self._parts = _GAP.split(to_json(message))
        self._last: tuple[Shared, Form] | None = None

    def with_shared(self, shared: Shared) -> Form:
        """Fill the gaps that all messages of a call have in common."""
        last = self._last
        # In a loop, or outside of requests, they are those of the call before.
        if last is None or last[0] != shared:
            *texts, header = shared
            values = {
                name: "null" if text is None else text_to_json(text)
                for name, text in zip(_OF_CALL, texts, strict=True)
            }
            last = self._last = (shared, self._form({**values, "header": header or "null"}))
        return last[1]

    def _form(self, values: Mapping[str, str]) -> Form:
        parts = self._parts[:1]
        for name, text in zip(self._parts[1::2], self._parts[2::2], strict=True):
            if name in values:
                parts[-1] += values[name] + text
            else:
                parts += [name, text]
        return Form(parts)


class Form:
    """A template that lacks only what each message has of its own.

    Args:
        parts: Text and name of a gap in turn, text at both ends.
    """

    def __init__(self, parts: list[str]) -> None:
        self._parts = parts
        self._pick = itemgetter(*parts[1::2])

    def fill(self, own: Mapping[str, str]) -> bytes:
        """Return a message.

        Args:
            own: JSON, by the names of the gaps.
        """
        parts = self._parts.copy()
        parts[1::2] = self._pick(own)
        return "".join(parts).encode()
