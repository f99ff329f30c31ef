"""P1, P2, P17: kill -9 of workers and of their pool processes loses nothing."""

from __future__ import annotations

import random
import time

from fleet import Worker
from scale import scaled
from scene import Scene


def test_nothing_is_lost_in_a_storm_of_kill_9(scene: Scene) -> None:
    chance = random.Random(7)
    workers = [scene.fleet.ready() for _ in range(2)]
    ids = [scene.send("work", chance.uniform(0.02, 0.2)) for _ in range(scaled(300, 3000))]
    for number in range(scaled(8, 100)):
        time.sleep(chance.uniform(0.2, 0.6))
        workers = strike(scene, workers, is_parent=number % 2 == 0)
    counts = scene.sum_up("kill -9 storm, prefork", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated <= 2 * len(scene.fleet.kills)


def strike(scene: Scene, workers: list[Worker], *, is_parent: bool) -> list[Worker]:
    """Kill the older worker and start another, or kill one process of a pool."""
    first, *others = workers
    if is_parent:
        scene.fleet.kill(first)
        return [*others, scene.fleet.start()]
    # Celery ends a worker of which a process dies while it starts.
    others[0].wait_for(" ready.")
    if children := others[0].children():
        scene.fleet.kill_child(others[0], children[0])
    return workers


def test_waiting_for_a_task_of_a_killed_worker_ends(scene: Scene) -> None:
    victim = scene.fleet.ready(slots=1)
    id_ = scene.send("work", 1.5)
    scene.wait_started(id_)
    scene.fleet.start(slots=1)
    scene.fleet.kill(victim)
    assert scene.result(id_).get(timeout=60) > 0
    counts = scene.sum_up("wait for a killed task", [id_])
    assert not counts.faults
    assert counts.repeated == 1
