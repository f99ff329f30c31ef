"""P3: delays are kept in Redis: a restarted worker runs delayed tasks on time."""

from __future__ import annotations

import time

from scale import scaled
from scene import Scene

_LATE_S = 1.5


def test_delayed_tasks_run_on_time_after_worker_and_server_were_killed(scene: Scene) -> None:
    worker = scene.fleet.ready(slots=2)
    due_s: dict[str, float] = {}
    for number in range(scaled(20, 200)):
        delay_s = 6.0 + number % 20 * 0.1
        due_s[scene.send("work", countdown=delay_s)] = time.monotonic() + delay_s
    long = scene.send("work", countdown=3600)
    scene.fleet.kill(worker)
    scene.kill_server()
    scene.restart_server()
    scene.fleet.ready(slots=2)
    scene.wait_ended(due_s)
    starts = {run.id: run.start_s - due_s[run.id] for run in scene.ledger.runs()}
    late = sum(late_s > _LATE_S for late_s in starts.values())
    counts = scene.sum_up("delayed, all restarted", list(due_s), late=late)
    assert not counts.faults, starts
    assert counts.repeated == 0
    assert min(starts.values()) > -0.1
    assert scene.kept([long], "delayed") == {long}
