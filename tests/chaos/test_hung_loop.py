"""P5: a worker whose event loop hangs is ended, and its tasks move on."""

from __future__ import annotations

import time

import pytest
from ledger import Kill
from scale import IS_FULL, PATIENCE_S
from scene import Scene

from flask_celeriac.execute.claims import EXIT_HUNG, HUNG_S

#: Short, but more than the two turns of the loop after which it is silent.
_HUNG_S = HUNG_S if IS_FULL else 3.0
_SHORT = {} if IS_FULL else {"CHAOS_HUNG_S": str(_HUNG_S)}


@pytest.mark.slow
def test_a_hung_worker_ends_itself_and_its_tasks_move_on(scene: Scene) -> None:
    worker = scene.fleet.ready(slots=1, **_SHORT)
    id_ = scene.send("work", 3 * HUNG_S if IS_FULL else 12.0)
    scene.wait_started(id_)
    scene.fleet.ready(slots=1)
    pids = frozenset((worker.pid, *worker.children()))
    celery = scene.app.extensions["celery"]
    before_s = time.monotonic()
    seconds = {"seconds": 4 * HUNG_S}
    celery.control.broadcast("hang", arguments=seconds, destination=["w0@chaos"])
    code = worker.exit_code(2 * _HUNG_S + PATIENCE_S)
    took_s = time.monotonic() - before_s
    scene.fleet.kills.append(Kill(before_s, pids))
    assert code == EXIT_HUNG
    assert took_s < 2 * _HUNG_S + 20
    assert "The event loop has not turned" in worker.log
    counts = scene.sum_up("hung event loop", [id_], seconds=4 * HUNG_S)
    assert not counts.faults
    assert counts.repeated == 1
