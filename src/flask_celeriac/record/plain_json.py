"""Results as JSON, without a look at the serializer for each of them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import cached_property
from typing import Any

from kombu.utils.encoding import bytes_to_str

from flask_celeriac.kombu_json import from_json, is_stock, to_json


class PlainJson:
    """What a backend of Celery encodes and decodes by, before its own base class.

    Whatever is not plain JSON is left to Celery, and what can not be encoded or decoded as well.
    """

    serializer: str
    compression: str | None
    content_type: str
    accept: Collection[str]

    def encode(self, data: Any) -> Any:
        """As in Celery."""
        if self._is_plain_json:
            with suppress(Exception):
                return to_json(data)
        celery: Any = super()
        return celery.encode(data)

    def decode(self, payload: Any) -> Any:
        """As in Celery."""
        if self._is_plain_json and self._accepts_json:
            with suppress(Exception):
                return from_json(bytes_to_str(payload))
        celery: Any = super()
        return celery.decode(payload)

    @cached_property
    def _is_plain_json(self) -> bool:
        return self.serializer == "json" and not self.compression and is_stock()

    @cached_property
    def _accepts_json(self) -> bool:
        return self.content_type in self.accept
