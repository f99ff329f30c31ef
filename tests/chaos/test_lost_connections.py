"""P3, P4, P11: connections and servers that go away neither lose nor repeat a task."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from fleet import wait_until
from scale import scaled
from scene import Scene

from flask_celeriac.transport.redis.scripts import script
from proxy import Proxy

_BY_ITSELF_S = 15.0


def cut_all(scene: Scene) -> None:
    """Close every connection that the server has, but this one."""
    for kind in ("normal", "pubsub"):
        scene.client.client_kill_filter(_type=kind, skipme=True)


def accept_one(scene: Scene) -> str:
    """Send a task and wait until it is done: the fleet works."""
    id_ = scene.send("work")
    before_s = time.monotonic()
    wait_until(lambda: id_ in scene.ledger.ended(), _BY_ITSELF_S, scene.logs)
    assert time.monotonic() - before_s < _BY_ITSELF_S
    return id_


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_killed_connections_repeat_nothing_and_end_no_worker(scene: Scene, pool: str) -> None:
    worker = scene.fleet.ready(pool=pool, slots=4)
    long = [scene.send("work", 4.0) for _ in range(1 if pool == "solo" else 3)]
    short = [scene.send("work", 0.1) for _ in range(20)]
    scene.wait_started(*long)
    for _ in range(scaled(4, 20)):
        cut_all(scene)
        time.sleep(0.7)
    ids = [*long, *short, accept_one(scene)]
    counts = scene.sum_up(f"CLIENT KILL, {pool}", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    assert worker.is_running()


def test_a_killed_server_with_an_append_only_file_loses_nothing(scene: Scene) -> None:
    workers = [scene.fleet.ready(pool=pool, slots=2) for pool in ("prefork", "threads")]
    ids = []
    for outage_s in (0.1, 2.0, *[0.5] * scaled(0, 8)):
        long = [scene.send("work", 3.0) for _ in range(2)]
        ids += [*long, *(scene.send("work", 0.1) for _ in range(30))]
        scene.wait_started(*long)
        scene.kill_server()
        time.sleep(outage_s)
        scene.restart_server()
        ids.append(accept_one(scene))
    counts = scene.sum_up("server kill -9 and restart", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    assert all(worker.is_running() for worker in workers)


def test_what_was_sent_to_a_dead_pool_process_when_connections_broke_runs_once(
    scene: Scene,
) -> None:
    worker = scene.fleet.ready(slots=2)
    wait_until(lambda: len(worker.children()) == 2)
    scene.fleet.kill_child(worker, worker.children()[0])
    # The worker may not know yet, and writes tasks into the pipe of the dead process.
    ids = [scene.send("work", 0.5) for _ in range(4)]
    time.sleep(0.3)
    cut_all(scene)
    ids.append(accept_one(scene))
    wait_until(lambda: set(ids) <= scene.ledger.ended(), 20, scene.logs)
    counts = scene.sum_up("pool process and CLIENT KILL", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0


def test_what_waits_in_a_pool_of_threads_when_connections_break_runs_once(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene(CELERY_WORKER_PREFETCH_MULTIPLIER=4)
    scene.fleet.ready(pool="threads", slots=1)
    ids = [scene.send("work", 2.5) for _ in range(4)]
    scene.wait_started(ids[0])
    scene.fleet.ready(slots=1)
    cut_all(scene)
    counts = scene.sum_up("prefetched and CLIENT KILL, threads", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0


def test_messages_whose_delivery_is_cut_off_run_once(scene: Scene, proxy: Proxy) -> None:
    worker = scene.fleet.ready(slots=2, CHAOS_URL=proxy.url(scene.server.url))
    ids: list[str] = []
    for count in range(1, scaled(3, 20) + 1):
        proxy.lose_reply(script("claim").sha.encode(), is_cut=True)
        ids += [scene.send("work") for _ in range(3)]
        wait_until(lambda wanted=count: proxy.lost == wanted, 15, scene.logs)
        wait_until(
            lambda sent=tuple(ids): set(sent) <= scene.ledger.ended(), 2 * _BY_ITSELF_S, scene.logs
        )
    counts = scene.sum_up("reply to a claim lost", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    assert worker.is_running()
