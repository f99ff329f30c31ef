"""How large messages may be: when they are sent, and when what was compressed is read."""

from __future__ import annotations

import bz2
import json
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from kombu import compression

from flask_celeriac.errors import MessageTooLarge

#: Of a body that was compressed.
MOST_DECODED_BYTES = 16 * 1024 * 1024


class _Brotli:
    """brotli's decompressor, called as the others are.

    Before brotli 1.2 it has no limit, and raises TypeError.
    """

    unused_data = b""  # a stream has no other behind it

    def __init__(self) -> None:
        self._decompressor = sys.modules["brotli"].Decompressor()

    def decompress(self, body: bytes, most: int) -> bytearray:
        """Return what *body* has; little more than *most* bytes."""
        found = bytearray()
        while len(found) < most and not self._decompressor.is_finished():
            more = self._decompressor.process(body, output_buffer_limit=most)
            if not more:
                break  # it is cut off: kombu says so
            found += more
            body = b""
        return found


def _decompressors() -> dict[Any, Callable[[], Any]]:
    """Return what makes a decompressor with a limit, by the function that kombu would call.

    kombu has imported those of zstd and brotli where they are installed.
    """
    made: dict[Any, Callable[[], Any]] = {
        zlib.decompress: zlib.decompressobj,
        bz2.decompress: bz2.BZ2Decompressor,
        lzma.decompress: lzma.LZMADecompressor,
    }
    for zstd in filter(None, map(sys.modules.get, ("compression.zstd", "backports.zstd"))):
        made[zstd.decompress] = zstd.ZstdDecompressor
    if (brotli := sys.modules.get("brotli")) is not None:
        made[brotli.decompress] = _Brotli
    return made


_DECOMPRESSORS = _decompressors()


def require_size(messages: Iterable[bytes], most: int) -> None:
    """Make sure that no message has more than *most* bytes; 0: any may.

    Args:
        messages: As they would lie in Redis.

    Raises:
        MessageTooLarge: One has; names its task.
    """
    if most <= 0:
        return
    for message in messages:
        if len(message) > most:
            raise MessageTooLarge(
                f"The message of {_name_in(message)} has {len(message):,} bytes, and may have "
                f"{most:,}: keep the data elsewhere and send where it is, or raise "
                "max_message_bytes in CELERY_BROKER_TRANSPORT_OPTIONS. It was not sent."
            )


def _name_in(message: bytes) -> str:
    headers = json.loads(message).get("headers") or {}
    return f"task {headers['task']!r}" if "task" in headers else "no task"


def is_larger(body: bytes, method: str, most: int) -> bool:
    """Tell whether a compressed *body* has more than *most* bytes; never decodes many more.

    Args:
        method: As the header ``compression`` names it. Of one that is not kombu's, and of brotli
            before 1.2, nothing is known before it is decoded: False.
    """
    with suppress(Exception):  # kombu says what is wrong with it
        make = _DECOMPRESSORS.get(compression.get_decoder(method))
        while make is not None and body:
            decompressor = make()
            most -= len(decompressor.decompress(body, most + 1))
            if most < 0:
                return True
            body = decompressor.unused_data
    return False
