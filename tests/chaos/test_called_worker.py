"""The worker that ended a task last is called for the next one, and may be gone by then."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest
from fleet import Fleet, Worker, wait_until
from scene import Scene

_WARM = "celeriac:1:warm:celery"
_LEASE = {"lease_s": 30.0}
# Others look by themselves once a second; the rest is for a busy machine, and far from a lease.
_TO_OTHERS_S = 10.0

END: dict[str, Callable[[Fleet, Worker], object]] = {
    "killed": Fleet.kill,
    "frozen": Fleet.freeze,
    "told to end": lambda _, worker: worker.process.terminate(),
}


def called(scene: Scene) -> tuple[str, Worker]:
    """Let a task end; return who is to be called for the next one, as it was told and as worker."""
    callers: list[bytes] = []

    def is_somebody_warm() -> bool:
        scene.result(scene.send("work", 0.0)).get(timeout=30)
        callers.extend(filter(None, [scene.client.get(_WARM)]))
        return bool(callers)

    # At once, but where the machine takes a second to ask.
    wait_until(is_somebody_warm, explain=scene.logs)
    return callers[0].decode(), scene.fleet.worker_of(int(callers[0].split(b".")[-2]))


def test_tasks_that_come_one_by_one_are_run_by_the_worker_that_is_warm(scene: Scene) -> None:
    for _ in range(2):
        scene.fleet.ready(pool="solo")
    ids = []
    for _ in range(12):
        ids.append(scene.send("work", 0.0))
        scene.result(ids[-1]).get(timeout=30)
    counts = scene.sum_up("one by one", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    # In turns it would be half of them each.
    runs = Counter(run.pid for id_ in ids for run in scene.ledger.of(id_))
    assert max(runs.values()) > 8, runs


@pytest.mark.parametrize("end", END)
@pytest.mark.parametrize("pool", ["solo", "prefork", "threads", "gevent"])
def test_others_run_what_a_worker_is_called_for_that_is_gone(
    make_scene: Callable[..., Scene], pool: str, end: str
) -> None:
    scene = make_scene(CELERY_BROKER_TRANSPORT_OPTIONS=_LEASE)
    for _ in range(2):
        scene.fleet.ready(pool=pool, slots=2)
    caller, worker = called(scene)
    END[end](scene.fleet, worker)
    # As it was, also where that took longer than a second.
    scene.client.set(_WARM, caller, px=1000)
    sent_s = time.monotonic()
    ids = [scene.send("work", 0.0)]
    assert scene.client.get(_WARM) != caller.encode(), "nobody was called"
    wait_until(lambda: set(ids) <= scene.ledger.started(), 60, scene.logs)
    waited_s = scene.ledger.of(ids[0])[0].start_s - sent_s
    ids += [scene.send("work", 0.0) for _ in range(10)]
    counts = scene.sum_up(f"called while {end}, {pool}", ids, late=int(waited_s > _TO_OTHERS_S))
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    if end == "frozen":
        worker.thaw()
        again = [scene.send("work", 0.0) for _ in range(10)]
        assert not scene.sum_up("after the thaw", again).faults, scene.logs()
