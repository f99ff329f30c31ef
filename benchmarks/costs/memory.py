"""Bytes in Redis for each message that waits, is delayed or claimed, and for each result."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.side import Side

_SETTLE_S = 0.5
_LONG_S = 36_000.0
#: Grow and shrink with connections and writes, and not with what is kept.
_PASSING = ("mem_clients_normal", "mem_aof_buffer", "mem_clients_slaves")


def measure(side: Side, count: int) -> dict[str, Any]:
    """Measure with *count* of each; nothing else may use the server.

    Returns:
        Bytes for each. "delayed" is with an ETA and no worker that takes it: plain Celery's worker
        does take it, and then it costs what "claimed" says, and memory of the worker besides.
    """
    side.ask("round_trip", count=20)
    side.hold()
    # What kombu's worker waits for is sent to it at once: one message, which is not counted.
    side.ask("send", count=1)
    empty = _used(side)
    side.ask("send", count=count)
    waiting = _used(side)
    side.ask("take", count=count)
    claimed = _used(side)
    side.ask("give_back")
    given_back = _used(side)
    side.release()
    side.wait_until_drained()
    finished = _used(side)
    side.hold()
    before = _used(side)
    side.ask("send", count=count, countdown_s=_LONG_S)
    delayed = _used(side)
    return {
        "waiting": (waiting - empty) / count,
        "claimed": (claimed - empty) / count,
        "given back": (given_back - empty) / count,
        "finished": (finished - empty) / count,
        "delayed": (delayed - before) / count,
    }


def _used(side: Side) -> int:
    time.sleep(_SETTLE_S)
    found = side.redis.info("memory")
    return int(found["used_memory"]) - sum(int(found.get(name, 0)) for name in _PASSING)
