"""A server that is there, but takes no writes: full, or without the replicas it must have."""

from __future__ import annotations

import time

import pytest
from fleet import wait_until
from kombu.exceptions import OperationalError
from scale import LEASE_S
from scene import Scene


@pytest.mark.parametrize(
    ("setting", "refusing", "words"),
    [("min-replicas-to-write", "1", "NOREPLICAS"), ("maxmemory", "1", "maxmemory")],
)
def test_workers_outlive_a_server_that_refuses_writes_for_longer_than_a_lease(
    scene: Scene, setting: str, refusing: str, words: str
) -> None:
    workers = [scene.fleet.ready(pool=pool) for pool in ("prefork", "threads")]
    ids = [scene.send("work", LEASE_S + 2.0) for _ in range(4)]
    scene.wait_started(*ids)
    ids += [scene.send("work", 0.1) for _ in range(10)]
    scene.client.config_set(setting, refusing)
    refused_s = time.monotonic()
    with pytest.raises(OperationalError, match=words):
        scene.send("work")
    wait_until(lambda: time.monotonic() > refused_s + LEASE_S + 1.0, LEASE_S + 5.0)
    scene.client.config_set(setting, "0")
    counts = scene.sum_up(f"writes refused, {setting}", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    assert [scene.result(id_).get(timeout=10) > 0 for id_ in ids] == [True] * len(ids)
    assert all(worker.is_running() for worker in workers)
