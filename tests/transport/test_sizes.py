"""S14: what is too large is not sent, and what was compressed is not decoded into too much."""

from __future__ import annotations

import bz2
import lzma
import os
import resource
import zlib
from functools import partial
from typing import Any

import brotli
import pytest
from kombu import compression

from flask_celeriac.errors import MessageTooLarge
from flask_celeriac.transport.redis.message import Message
from flask_celeriac.transport.redis.messages import Unreadable
from flask_celeriac.transport.redis.sizes import is_larger, require_size

MOST = 100_000
METHODS = {
    "application/x-gzip": zlib.compress,
    "gzip": zlib.compress,
    "application/x-bz2": bz2.compress,
    "application/x-lzma": lzma.compress,
    "xz": lzma.compress,
    "brotli": partial(brotli.compress, quality=1),
    "zstd": compression.get_encoder("zstd")[0],
}


class Plain:
    """A channel that decodes no body."""

    max_decoded_bytes = MOST

    def decode_body(self, body: Any, encoding: Any = None) -> Any:
        return body


def message(body: bytes, method: str, most: int = MOST) -> Message:
    channel = Plain()
    channel.max_decoded_bytes = most
    return Message(
        {
            "body": body,
            "headers": {"compression": method},
            "content-type": "application/data",
            "content-encoding": "binary",
            "properties": {"delivery_tag": "1", "delivery_info": {}},
        },
        channel=channel,
    )


@pytest.mark.parametrize("method", METHODS)
def test_what_was_compressed_may_be_as_large_as_the_limit(method: str) -> None:
    data = os.urandom(MOST)
    assert message(METHODS[method](data), method).body == data
    with pytest.raises(Unreadable, match="100,000 bytes"):
        message(METHODS[method](data + b"1"), method)
    assert message(METHODS[method](data + b"1"), method, most=0).body == data + b"1"


@pytest.mark.parametrize("method", ["application/x-bz2", "application/x-lzma", "zstd"])
def test_many_small_streams_after_each_other_count_together(method: str) -> None:
    part = METHODS[method](b"0" * (MOST // 4))
    assert not is_larger(part * 4, method, MOST)
    assert is_larger(part * 5, method, MOST)


@pytest.mark.parametrize("method", ["gzip", "application/x-bz2", "xz", "brotli", "zstd"])
def test_a_bomb_takes_no_memory(method: str) -> None:
    bomb = METHODS[method](bytes(300_000_000))
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert is_larger(bomb, method, 1_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 100_000


@pytest.mark.parametrize("method", ["gzip", "xz", "brotli", "zstd", "unknown"])
def test_what_is_not_compressed_is_left_to_kombu(method: str) -> None:
    assert not is_larger(b"nothing of that kind", method, MOST)
    assert message(b"nothing of that kind", method).errors


def test_what_brotli_has_cut_off_is_left_to_kombu() -> None:
    half = brotli.compress(os.urandom(MOST // 2))[: MOST // 4]
    assert not is_larger(half, "brotli", MOST)
    assert message(half, "brotli").errors


def test_the_error_names_the_task_and_both_sizes() -> None:
    require_size([b"1" * 10], 10)
    require_size([b"1" * 11], 0)
    body = b'{"headers": {"task": "shop.mail"}, "body": "%s"}' % (b"1" * 1000)
    with pytest.raises(MessageTooLarge, match=r"'shop.mail' has 1,046 bytes, and may have 1,000"):
        require_size([body], 1000)
    with pytest.raises(MessageTooLarge, match="no task"):
        require_size([b'{"headers": null, "body": ""}'], 10)
