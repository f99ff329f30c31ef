"""What a worker has taken ahead never waits behind a long task while another worker is idle."""

from __future__ import annotations

import signal
import time

import pytest
from fleet import wait_until
from scene import Scene

#: From a worker that has nothing to do to its share, and the share done.
_SHARED_S = 3.0
_LONG_S = 12.0


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork", "gevent"])
def test_an_idle_worker_gets_what_waits_behind_a_long_task(scene: Scene, pool: str) -> None:
    worker = scene.fleet.ready(pool=pool, slots=1)
    warm = [scene.send("work") for _ in range(60)]
    wait_until(lambda: scene.ledger.ended() >= set(warm), 30, scene.logs)
    worker.signal(signal.SIGSTOP)  # so that it finds all of them at once
    long = scene.send("work", _LONG_S)
    short = [scene.send("work") for _ in range(30)]
    worker.signal(signal.SIGCONT)
    scene.wait_started(long)
    time.sleep(0.5)
    in_hand = scene.claims() - 1
    other = scene.fleet.ready(pool=pool, slots=1)
    ready_s = time.monotonic()
    wait_until(lambda: scene.ledger.ended() >= set(short), 30, scene.logs)
    shared_s = time.monotonic() - ready_s
    counts = scene.sum_up(
        f"behind a long task, {pool}", [*warm, long, *short], late=int(shared_s > _SHARED_S)
    )
    assert in_hand > 0
    assert not counts.faults, (shared_s, scene.logs())
    assert counts.repeated == 0
    assert (
        {run.pid for id_ in short for run in scene.ledger.of(id_)}
        <= {
            other.pid,
            *other.children(),
        }
        != {worker.pid}
    )
