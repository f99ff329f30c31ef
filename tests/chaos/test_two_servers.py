"""Broker and result backend apart, on two servers or in two databases: what goes on as with one."""

from __future__ import annotations

import time
from collections.abc import Callable

from celery import chain
from fleet import wait_until
from scene import Scene, kill_server, restart_server

from flask_celeriac.embedded import EmbeddedServer

MakeScene = Callable[..., Scene]
_OUTAGE_S = 2.5


def send_chains(scene: Scene, count: int, seconds: float) -> list[str]:
    """Send chains of a task and a link; return the ids of all of their tasks."""
    tasks = scene.app.extensions["celery"].tasks
    with scene.app.app_context():
        ends = [
            chain(tasks["chaos.work"].s(seconds), tasks["chaos.pass_on"].s()).apply_async()
            for _ in range(count)
        ]
    return [id_ for end in ends for id_ in (end.parent.id, end.id)]


def check(scene: Scene, scenario: str, ids: list[str], repeated: int) -> None:
    counts = scene.sum_up(scenario, ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated <= repeated
    for id_ in ids:
        assert scene.result(id_).get(timeout=20) != "", id_


def stay_away(outage_s: float = _OUTAGE_S) -> None:
    until_s = time.monotonic() + outage_s
    wait_until(lambda: time.monotonic() > until_s, outage_s + 10)


def test_on_two_servers_nothing_is_lost_when_a_worker_or_one_of_them_dies(
    other_server: EmbeddedServer, make_scene: MakeScene
) -> None:
    scene = make_scene(CELERY_RESULT_BACKEND=other_server.url)
    workers = [scene.fleet.ready(pool=pool) for pool in ("prefork", "threads")]
    check(scene, "two servers", send_chains(scene, 10, 0.02), 0)

    ids = send_chains(scene, 4, 2.0)
    scene.wait_started(*ids[::2])
    kill_server(other_server)
    stay_away()
    restart_server(other_server)
    check(scene, "two servers, results kill -9", ids, 0)

    ids = send_chains(scene, 4, 2.0)
    scene.wait_started(*ids[::2])
    scene.kill_server()
    stay_away()
    scene.restart_server()
    check(scene, "two servers, broker kill -9", ids, 0)

    assert all(worker.is_running() for worker in workers)
    ids = send_chains(scene, 4, 2.0)
    scene.wait_started(*ids[::2])
    scene.fleet.kill(workers[0])
    check(scene, "two servers, worker kill -9", ids, 2)


def test_in_two_databases_nothing_is_lost_when_a_worker_dies(make_scene: MakeScene) -> None:
    server = make_scene()
    place, _, _ = server.url.rpartition("/")
    scene = make_scene(url=server.url, client=server.client, CELERY_RESULT_BACKEND=f"{place}/1")
    workers = [scene.fleet.ready(pool=pool) for pool in ("prefork", "threads")]
    ids = send_chains(scene, 4, 2.0)
    scene.wait_started(*ids[::2])
    scene.fleet.kill(workers[0])
    check(scene, "two databases, worker kill -9", ids, 2)
