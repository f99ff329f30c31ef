"""P6: a worker that was taken for dead and comes back changes nothing any more."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from fleet import wait_until
from scale import LEASE_S, PATIENCE_S
from scene import Scene


def test_a_late_run_of_a_frozen_worker_keeps_no_result_and_is_not_acknowledged(
    scene: Scene,
) -> None:
    frozen = scene.fleet.ready(slots=1)
    id_ = scene.send("work", 2.0)
    scene.wait_started(id_)
    frozen_pids = scene.fleet.freeze(frozen)
    scene.fleet.ready(slots=1)
    wait_until(lambda: id_ in scene.ledger.ended(), PATIENCE_S, scene.logs)
    wait_until(lambda: scene.result(id_).ready(), 10)
    first = scene.result(id_).result
    frozen.thaw()
    wait_until(lambda: all(run.end_s for run in scene.ledger.of(id_)), PATIENCE_S, scene.logs)
    frozen.wait_for("acknowledgement was refused")
    counts = scene.sum_up("frozen worker", [id_])
    assert not counts.faults
    assert counts.repeated == 1
    assert scene.result(id_).result == first
    assert first not in frozen_pids
    # It takes part again, under a lease that it has renewed.
    others = [scene.send("work", 0.5) for _ in range(16)]
    assert not scene.sum_up("after the thaw", others).faults
    assert frozen_pids & {run.pid for id_ in others for run in scene.ledger.of(id_)}


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_what_waited_in_a_frozen_worker_does_not_start_after_it(
    make_scene: Callable[..., Scene], pool: str
) -> None:
    scene = make_scene(CELERY_WORKER_PREFETCH_MULTIPLIER=4)
    # All are there when it asks: a solo worker takes no more while it runs one.
    ids = [scene.send("work", 1.0) for _ in range(4)]
    frozen = scene.fleet.start(pool=pool, slots=1)
    wait_until(scene.ledger.started, PATIENCE_S, scene.logs)
    wait_until(lambda: scene.claims() == 4, PATIENCE_S, scene.logs)
    scene.fleet.freeze(frozen)
    scene.fleet.ready(slots=1)
    wait_until(lambda: set(ids) <= scene.ledger.ended(), PATIENCE_S, scene.logs)
    frozen.thaw()
    # As long as it would need for what others have run.
    time.sleep(4.0)
    again = [scene.send("work", 0.1) for _ in range(6)]
    counts = scene.sum_up(f"frozen worker, prefetched, {pool}", [*ids, *again])
    assert not counts.faults, scene.logs()
    assert counts.repeated == 1


def test_a_late_run_of_a_frozen_worker_starts_no_second_link_of_its_chain(scene: Scene) -> None:
    frozen = scene.fleet.ready(slots=1)
    celery = scene.app.extensions["celery"]
    with scene.app.app_context():
        tasks = celery.tasks
        last = (tasks["chaos.work"].s(2.0) | tasks["chaos.pass_on"].s()).apply_async()
    first_id, last_id = last.parent.id, last.id
    scene.wait_started(first_id)
    scene.fleet.freeze(frozen)
    scene.fleet.ready(slots=1)
    wait_until(lambda: last_id in scene.ledger.ended(), PATIENCE_S, scene.logs)
    frozen.thaw()
    frozen.wait_for("acknowledgement was refused", LEASE_S + 30)
    counts = scene.sum_up("frozen worker in a chain", [first_id, last_id])
    assert not counts.faults, scene.logs()
    assert len(scene.ledger.of(last_id)) == 1
