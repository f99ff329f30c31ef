"""Copies of a real message, as many as one wants, without the work of making each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4


def copies(message: bytes | str) -> Iterator[bytes]:
    """Yield messages that differ in what must differ: the id of the task, and the delivery tag."""
    text = message if isinstance(message, str) else message.decode()
    read = json.loads(text)
    id_, tag = read["headers"]["id"], read["properties"]["delivery_tag"]
    while True:
        yield text.replace(id_, str(uuid4())).replace(tag, str(uuid4())).encode()
