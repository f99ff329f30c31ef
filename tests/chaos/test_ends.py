"""Results and acknowledgements travel together: they do not wait for what runs next."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from fleet import wait_until
from scale import PATIENCE_S
from scene import Scene

#: From the end of a task to its result in the server, on a busy machine.
_KNOWN_S = 1.0


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(CELERY_WORKER_PREFETCH_MULTIPLIER=8)


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork", "gevent"])
def test_what_has_ended_is_known_and_does_not_run_again(scene: Scene, pool: str) -> None:
    short = [scene.send("work") for _ in range(5)]
    long = scene.send("work", 5.0)
    worker = scene.fleet.ready(pool=pool, slots=1)
    scene.wait_started(long)
    time.sleep(_KNOWN_S)
    states = [scene.result(id_).state for id_ in short]
    claims = scene.claims()
    scene.fleet.kill(worker)
    scene.fleet.ready(pool=pool, slots=1)
    counts = scene.sum_up(f"ended before a kill, {pool}", [*short, long])
    assert states == ["SUCCESS"] * len(short)
    assert claims == 1
    assert not counts.faults, scene.logs()
    assert [len(scene.ledger.of(id_)) for id_ in (*short, long)] == [1] * len(short) + [2]


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork", "gevent"])
def test_what_ends_while_the_server_is_away_is_known_when_it_is_back(
    scene: Scene, pool: str
) -> None:
    scene.fleet.ready(pool=pool, slots=2)
    ids = [scene.send("work", 2.0) for _ in range(2)]
    scene.wait_started(ids[0])
    scene.kill_server()
    time.sleep(3.0)
    scene.restart_server()
    counts = scene.sum_up(f"ended in an outage, {pool}", ids)
    assert not counts.faults, scene.logs()
    known = [scene.result(id_) for id_ in ids]
    wait_until(lambda: all(each.state == "SUCCESS" for each in known), PATIENCE_S, scene.logs)
