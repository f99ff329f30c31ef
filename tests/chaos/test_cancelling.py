"""P13: a cancelled task that has not started never does, whatever is restarted."""

from __future__ import annotations

import pytest
from celery.exceptions import TaskRevokedError
from fleet import wait_until
from scale import PATIENCE_S, scaled
from scene import Scene


def test_cancelled_tasks_do_not_start_after_everything_was_restarted(scene: Scene) -> None:
    worker = scene.fleet.ready(slots=1)
    busy = scene.send("work", 3.0)
    scene.wait_started(busy)
    count = scaled(3, 10)
    waiting = [scene.send("work") for _ in range(count)]
    delayed = [scene.send("work", countdown=4) for _ in range(count)]
    for id_ in (*waiting, *delayed):
        scene.result(id_).revoke()
    scene.fleet.kill(worker)
    scene.kill_server()
    scene.restart_server()
    scene.fleet.ready(slots=1)
    for id_ in (*waiting, *delayed):
        with pytest.raises(TaskRevokedError):
            scene.result(id_).get(timeout=PATIENCE_S)
        assert scene.result(id_).state == "REVOKED"
    counts = scene.sum_up("cancelled, all restarted", [busy])
    assert not counts.faults
    assert scene.ledger.started() == {busy}
    wait_until(lambda: scene.store.size("celery") == 0, 10)
    assert scene.claims() == 0
