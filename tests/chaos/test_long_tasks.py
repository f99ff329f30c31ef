"""P3: a healthy task is started once, however much longer than a lease it runs."""

from __future__ import annotations

import time

from scale import LEASE_S, scaled
from scene import Scene

#: Queue, pool and task of each.
_FORMS = (
    ("a", "prefork", "work"),
    ("b", "threads", "work"),
    ("c", "gevent", "work"),
    ("d", "solo", "work"),
    ("e", "gevent", "compute"),
    ("f", "solo", "compute"),
)


def test_a_task_longer_than_its_lease_starts_once_in_every_pool(scene: Scene) -> None:
    for queue, pool, _ in _FORMS:
        scene.fleet.start("-Q", queue, pool=pool, slots=2)
    for worker in scene.fleet.workers:
        worker.wait_for(" ready.", 60)
    length_s = LEASE_S * scaled(2, 4) + 2
    before_s = time.monotonic()
    ids = [scene.send(task, length_s, queue=queue) for queue, _, task in _FORMS]
    scene.wait_started(*ids)
    # It would run whatever is taken from the others, and takes it away when their lease has ended.
    scene.fleet.ready("-Q", "a,b,c,d,e,f", slots=4)
    counts = scene.sum_up("longer than the lease, 4 pools", ids, seconds=length_s + 60)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    assert time.monotonic() - before_s > length_s
