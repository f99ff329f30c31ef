"""A stream of server-sent events, as bytes.

Source: WHATWG, HTML, section 9.2: Server-sent events.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator

from flask_celeriac.errors import ResultBackendUnavailable
from flask_celeriac.record.journal.journal import Journal

from .news import Item, News
from .status import to_json

#: Seconds of silence after which a comment is sent, so that nobody between takes the stream for
#: dead, and a client that has gone is found out.
HEARTBEAT_S = 15.0
#: Seconds after which a browser connects again.
_RECONNECT_S = 2
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0

_HEARTBEAT = b": heartbeat\n\n"


def stream(journal: Journal, task_id: str, news: News) -> Iterator[bytes]:
    """Give what is new of a task until it has ended, and heartbeats meanwhile.

    A server of results that is lost does not end the stream: it goes on when that is back.
    """
    yield b"retry: %d\n\n" % (_RECONNECT_S * 1000)
    with journal.listening(task_id) as bell:
        beat_at_s, pause_s = time.monotonic() + HEARTBEAT_S, _SHORTEST_PAUSE_S
        while True:
            heard, wait_s = bell.told(), HEARTBEAT_S
            told = _text(news.hear(heard.events))
            if news.is_behind or not heard.is_all:
                if told:
                    # It does not wait for a look, for which many may wait.
                    yield told
                try:
                    told = _text(news.look())
                    wait_s, pause_s = 0.0 if news.is_behind else HEARTBEAT_S, _SHORTEST_PAUSE_S
                except ResultBackendUnavailable:
                    told = b""
                    # The bell rings when we listen again, which is not when all can be read again.
                    wait_s = random.uniform(0.5, 1) * pause_s  # noqa: S311 - only spreads load
                    pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            if told or time.monotonic() >= beat_at_s:
                yield told or _HEARTBEAT
                beat_at_s = time.monotonic() + HEARTBEAT_S
            if news.is_over:
                return
            if wait_s > 0:
                bell.wait(max(0.0, min(wait_s, beat_at_s - time.monotonic())))


def _text(items: Iterable[Item]) -> bytes:
    return b"".join(map(_written, items))


def _written(item: Item) -> bytes:
    # JSON has no line break inside.
    return f"id: {item.number}\nevent: {item.kind}\ndata: {to_json(item.data)}\n".encode()
