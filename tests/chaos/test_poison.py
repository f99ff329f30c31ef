"""P7: what kills its process is given up after three starts; others are not blamed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from celery import chord
from celery.exceptions import ChordError
from fleet import wait_until
from scale import PATIENCE_S, scaled
from scene import Scene

from flask_celeriac.errors import TaskIsDead
from flask_celeriac.transport.redis.messages import decoded, task_id_of


@contextmanager
def supervised(scene: Scene, pool: str) -> Iterator[None]:
    """One worker of *pool*, started again whenever it has ended."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(0.1):
            if not scene.fleet.running():
                scene.fleet.start(pool=pool, slots=2)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_task_that_kills_its_process_is_dead_after_three_starts(scene: Scene, pool: str) -> None:
    others = [scene.send("work", 0.05) for _ in range(10)]
    poison = scene.send("poison")
    others += [scene.send("work", 0.05) for _ in range(scaled(20, 54))]
    with supervised(scene, pool):
        with pytest.raises(TaskIsDead, match="3 times"):
            scene.result(poison).get(timeout=4 * PATIENCE_S)
        counts = scene.sum_up(f"poison, {pool}", [poison, *others], poison=poison)
    assert not counts.faults
    assert counts.dead == 1
    assert len(scene.ledger.of(poison)) == 3
    # In a pool of threads they die with it: what ran at that time runs again.
    tasks = scene.ledger.by_task()
    assert sum(len(tasks[id_]) - 1 for id_ in others) <= (0 if pool == "prefork" else 3)
    wait_until(lambda: all(scene.result(id_).successful() for id_ in others), 10)
    (letter,) = scene.store.dead_letters()
    assert poison.encode() in letter.body
    assert letter.attempts == 3


def test_poison_tells_who_waits_and_is_tried_three_times_more_when_replayed(scene: Scene) -> None:
    celery = scene.app.extensions["celery"]
    with scene.app.app_context():
        tasks = celery.tasks
        tell = tasks["chaos.pass_on"].s().set(task_id="told")
        header = [tasks["chaos.work"].s(), tasks["chaos.poison"].s().on_error(tell)]
        body = chord(header, app=celery)(tasks["chaos.pass_on"].s())
    scene.fleet.ready(slots=1)
    with pytest.raises(ChordError, match="TaskIsDead"):
        body.get(timeout=PATIENCE_S)
    scene.wait_started("told", seconds=10)
    (letter,) = scene.store.dead_letters()
    scene.store.replay([letter.number])
    poison = task_id_of(decoded(letter.body))
    wait_until(lambda: len(scene.ledger.of(poison)) == 6, PATIENCE_S, scene.logs)
    wait_until(lambda: scene.store.count_dead() == 1, 10, scene.logs)
    counts = scene.sum_up("poison, in a chord, replayed", [poison, "told"], poison=poison)
    assert not counts.faults
    assert counts.dead == 1
