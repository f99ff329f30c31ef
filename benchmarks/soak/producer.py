"""Sends tasks until it is told to stop: `python -m benchmarks.soak.producer SEED RATE`."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

from celery import group

from .application import flask_app, ledger, work

_THREADS = 4
#: From 1 ms to 20 s, evenly on a logarithmic scale; most are short.
_SHORTEST_S, _SHORT_S, _LONGEST_S = 0.001, 0.05, 20.0
_SHARE_OF_SHORT = 0.7
_LONGEST_DELAY_S = 15.0


def main() -> None:
    """Send from several threads, until SIGTERM."""
    seed, rate = int(sys.argv[1]), float(sys.argv[2])
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    threads = [
        threading.Thread(target=_send_all, args=(random.Random(seed * 1000 + i), rate, is_over))
        for i in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    while not is_over.wait(0.2):
        pass
    for thread in threads:
        thread.join()


def _send_all(draw: random.Random, rate: float, is_over: threading.Event) -> None:
    while not is_over.is_set():
        began = time.monotonic()
        try:
            with flask_app.test_request_context("/"):
                ids = _send_one(draw)
        except Exception as error:
            took_s = time.monotonic() - began
            ledger.write("refused", error=f"{type(error).__name__}: {error}", took_s=took_s)
        else:
            took_s = time.monotonic() - began
            for id_ in ids:
                ledger.write("accepted", id=id_, took_s=took_s)
        time.sleep(draw.expovariate(rate / _THREADS))


def _send_one(draw: random.Random) -> Iterable[str]:
    """Send one task, or one group; what was accepted if nothing is raised."""
    kind = draw.random()
    if kind < 0.1:
        return _ids(group(work.s(_duration_s(draw)) for _ in range(draw.randint(2, 6))))
    if kind < 0.2:
        retries, delay_s = draw.randint(1, 3), draw.uniform(0.0, 3.0)
        return [work.delay(_duration_s(draw) / 4, retries, delay_s).id]
    if kind < 0.35:
        delay_s = draw.uniform(0.1, _LONGEST_DELAY_S)
        return [work.apply_async((_duration_s(draw),), countdown=delay_s).id]
    return [work.delay(_duration_s(draw)).id]


def _ids(signatures: Any) -> list[str]:
    return [member.id for member in signatures.apply_async().results]


def _duration_s(draw: random.Random) -> float:
    longest_s = _SHORT_S if draw.random() < _SHARE_OF_SHORT else _LONGEST_S
    return float(_SHORTEST_S * (longest_s / _SHORTEST_S) ** draw.random())


if __name__ == "__main__":
    main()
