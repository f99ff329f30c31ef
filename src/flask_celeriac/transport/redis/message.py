"""A delivered message, as Celery's consumer gets it."""

from __future__ import annotations

from functools import cache
from typing import Any

from kombu.transport import virtual

from flask_celeriac.kombu_json import CONTENT_TYPE, from_json, is_stock

from .messages import Unreadable
from .sizes import is_larger

_ENCODINGS = ("utf-8", "UTF-8")
_is_stock = cache(is_stock)


class Message(virtual.Message):
    """kombu's, but JSON is decoded without making a decoder for it, and bodies have a size.

    Raises:
        Unreadable: What was compressed has more than the channel's `max_decoded_bytes`.
    """

    _content: Any = None

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        method = (payload.get("headers") or {}).get("compression")
        most = getattr(channel, "max_decoded_bytes", 0)
        if method and most and payload.get("body"):
            encoding = payload["properties"].get("body_encoding")
            if is_larger(channel.decode_body(payload["body"], encoding), method, most):
                raise Unreadable(f"decompressed, its body has more than {most:,} bytes")
        super().__init__(payload, channel, **options)

    def decode(self) -> Any:
        """As in kombu: what was published, memoized.

        Raises:
            kombu.exceptions.DecodeError: The body is not what the message says it is.
            kombu.exceptions.ContentDisallowed: It is something that may not be decoded here.
        """
        if not self._content:
            self._content = self._from_json() or super().decode()
        return self._content

    @property
    def payload(self) -> Any:
        """The same."""
        return self._content or self.decode()

    def _from_json(self) -> Any:
        """Return what was published; None where kombu is to decode it, or to say what is wrong."""
        is_accepted = self.accept is not None and CONTENT_TYPE in self.accept
        if not is_accepted or self.content_type != CONTENT_TYPE or not _is_stock():
            return None
        if self.content_encoding not in _ENCODINGS:
            return None
        body: Any = self.body
        try:
            return from_json(body.decode())
        except (ValueError, AttributeError, RecursionError):
            return None
