"""Sentinel: what becomes of tasks when the primary dies, and one Sentinel with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fleet import wait_until
from kombu.exceptions import OperationalError
from scene import Scene
from servers import MASTER, PASSWORD, SENTINEL_PASSWORD, Watched, running, watched

MakeScene = Callable[..., Scene]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Watched]:
    place = watched(tmp_path)
    with running(*place.nodes, *place.sentinels):
        place.wait_ready()
        yield place


def scene_on(make_scene: MakeScene, place: Watched) -> Scene:
    options = {"master_name": MASTER, "sentinel_kwargs": {"password": SENTINEL_PASSWORD}}
    return make_scene(
        url=place.url,
        client=place.client(),
        CELERY_BROKER_TRANSPORT_OPTIONS=options,
        CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS=options,
    )


def wait_replicated(scene: Scene) -> None:
    """Wait until the replicas have all that was written until now, whoever wrote it."""
    scene.client.set("chaos.mark", 1)
    assert scene.client.wait(2, 5000) == 2


def accepted_after_failover(scene: Scene) -> str:
    """Send until a task is accepted; return its id."""
    ids: list[str] = []

    def accepts() -> bool:
        with contextlib.suppress(OperationalError):
            ids.append(scene.send("work"))
        return bool(ids)

    wait_until(accepts, 30, scene.logs)
    return ids[0]


#: Longer than a primary that is not one any more takes writes, which are lost: by `servers`, 3 s
#: after its replicas have left it, and they do not leave at once.
_CHANGING_S = 8.0


def send_all_kinds(scene: Scene) -> list[str]:
    """Tasks that run, wait and are delayed while the primary changes; the replicas have them.

    All slots are taken meanwhile, so that nothing is claimed and nothing ends.
    """
    running = [scene.send("work", _CHANGING_S) for _ in range(4)]
    scene.wait_started(*running)
    waiting = [scene.send("work", 0.1) for _ in range(20)]
    delayed = [scene.send("work", countdown=_CHANGING_S) for _ in range(5)]
    wait_replicated(scene)
    return [*running, *waiting, *delayed]


def test_workers_follow_the_sentinels_to_a_new_primary_and_lose_and_repeat_nothing(
    place: Watched, make_scene: MakeScene
) -> None:
    scene = scene_on(make_scene, place)
    workers = [scene.fleet.ready(pool=pool) for pool in ("prefork", "threads")]
    ids = send_all_kinds(scene)
    # As when a machine is lost: its Sentinel, the first in the URL, goes with it.
    place.nodes[0].kill()
    place.sentinels[0].kill()
    ids.append(accepted_after_failover(scene))
    counts = scene.sum_up("Sentinel, primary kill -9", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0

    pids = {each["pid"] for each in scene.ask("status")["workers"]}
    assert pids == {worker.pid for worker in workers}
    assert scene.errors() == {}

    place.rejoin(place.nodes[0])
    # Sentinel demotes the old primary ten seconds late: until then it would take writes in vain.
    place.require_replica()
    ids += send_all_kinds(scene)
    place.fail_over()
    ids.append(accepted_after_failover(scene))
    counts = scene.sum_up("Sentinel, failover asked for", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0

    assert [scene.result(id_).get(timeout=10) > 0 for id_ in ids] == [True] * len(ids)
    assert all(worker.is_running() for worker in workers)
    for worker in workers:
        assert PASSWORD not in worker.log
        assert SENTINEL_PASSWORD not in worker.log
