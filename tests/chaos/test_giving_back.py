"""P8: a worker that is told to end gives back what it can not finish."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest
from fleet import Worker, wait_until
from ledger import Kill
from scale import PATIENCE_S, scaled
from scene import Scene

_TO_OTHERS_S = 5.0
_SIGNALS = {"SIGQUIT": {}, "SIGTERM": {"REMAP_SIGTERM": "SIGQUIT"}}


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT=1.0)


def tell(scene: Scene, worker: Worker, name: str) -> int:
    """Send a signal and return the exit code; what runs then is given back, and runs again."""
    scene.fleet.kills.append(Kill(time.monotonic(), frozenset((worker.pid, *worker.children()))))
    worker.signal(getattr(signal, name))
    return worker.exit_code()


@pytest.mark.parametrize(
    ("pool", "name"),
    [
        ("prefork", "SIGQUIT"),
        ("prefork", "SIGTERM"),
        ("threads", "SIGTERM"),
        ("gevent", "SIGTERM"),
        ("solo", "SIGTERM"),
    ],
)
def test_a_task_longer_than_the_grace_is_given_back_and_started_by_another_worker(
    scene: Scene, pool: str, name: str
) -> None:
    worker = scene.fleet.ready(pool=pool, slots=2, **_SIGNALS[name])
    # Long enough for the other worker to begin within it, on a busy machine too.
    ids = [scene.send("work", 12.0) for _ in range(1 if pool == "solo" else 2)]
    waiting = [scene.send("work", 0.1) for _ in range(6)]
    scene.wait_started(*ids)
    scene.fleet.ready(slots=4)
    assert tell(scene, worker, name) == 0
    ended_s = time.monotonic()
    wait_until(lambda: all(len(scene.ledger.of(id_)) == 2 for id_ in ids), 20, scene.logs)
    delays = [scene.ledger.of(id_)[1].start_s - ended_s for id_ in ids]
    counts = scene.sum_up(
        f"{name}, {pool}, short grace",
        [*ids, *waiting],
        late=sum(delay > _TO_OTHERS_S for delay in delays),
    )
    assert not counts.faults, scene.logs()
    assert counts.repeated == len(ids)
    assert scene.client.hlen("celeriac:1:attempts") == 0


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_the_grace_has_an_end_after_a_lost_connection_too(scene: Scene, pool: str) -> None:
    # With a slot that is free: else it does not ask for more, and sees no lost connection.
    worker = scene.fleet.ready(pool=pool, slots=2)
    id_ = scene.send("work", 20.0)
    scene.wait_started(id_)
    scene.client.client_kill_filter(_type="normal", skipme=True)
    wait_until(lambda: worker.log.count("] Connected to redis") == 2, PATIENCE_S, scene.logs)
    began_s = time.monotonic()
    assert tell(scene, worker, "SIGTERM") == 0
    assert time.monotonic() - began_s < 10
    assert scene.client.llen("celery") == 1


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_a_worker_with_free_slots_begins_nothing_after_the_signal(
    make_scene: Callable[..., Scene], pool: str
) -> None:
    scene = make_scene(CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT=10.0)
    worker = scene.fleet.ready(pool=pool, slots=4)
    id_ = scene.send("work", 3.0)
    scene.wait_started(id_)
    worker.signal(signal.SIGTERM)
    wait_until(lambda: "SIGTERM: running tasks may end" in worker.log, PATIENCE_S, scene.logs)
    worker.signal(signal.SIGQUIT)  # means the same, and nothing new
    later = [scene.send("work", 0.1) for _ in range(5)]
    assert worker.exit_code() == 0
    assert scene.client.llen("celery") == len(later), scene.logs()
    scene.fleet.ready(slots=1)
    assert scene.sum_up(f"free slots, {pool}", [id_, *later]).repeated == 0


def test_a_task_within_the_grace_ends_and_is_not_repeated(scene: Scene) -> None:
    ids: list[str] = []
    for length_s in (0.3, 0.6, 0.8):
        worker = scene.fleet.ready("-Q", "brief", slots=3)
        briefs = [scene.send("work", length_s, queue="brief") for _ in range(3)]
        scene.wait_started(*briefs)
        assert tell(scene, worker, "SIGQUIT") == 0
        assert scene.store.size("brief") == 0
        ids += briefs
    counts = scene.sum_up("SIGQUIT, enough grace", ids, seconds=10)
    assert not counts.faults
    assert counts.repeated == 0


def test_being_given_back_counts_no_attempt(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT=0.1)
    id_ = scene.send("work", 5.0)
    rounds = scaled(4, 10)
    for count in range(1, rounds + 1):
        name = list(_SIGNALS)[count % 2]
        worker = scene.fleet.ready(slots=1, **_SIGNALS[name])
        wait_until(lambda wanted=count: len(scene.ledger.of(id_)) == wanted, PATIENCE_S)
        assert tell(scene, worker, name) == 0
    scene.fleet.ready(slots=1)
    counts = scene.sum_up(f"given back {rounds} times", [id_])
    assert not counts.faults
    assert (counts.repeated, counts.dead) == (rounds, 0)
