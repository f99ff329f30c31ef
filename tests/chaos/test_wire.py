"""Stock producers and workers share queues with ours, both ways, under load."""

from __future__ import annotations

import time

from fleet import STOCK
from scale import scaled
from scene import Scene

_ON_TIME_S = 1.5


def test_an_old_backlog_of_stock_messages_is_taken_over(scene: Scene) -> None:
    producer = scene.produce_stock(scaled(200, 2000))
    ids = producer.communicate(timeout=60)[0].split()
    scene.fleet.ready(slots=4)
    counts = scene.sum_up("stock backlog, our worker", ids)
    assert not counts.faults
    assert counts.repeated == 0


def test_stock_and_our_producers_feed_stock_and_our_workers_at_once(scene: Scene) -> None:
    ours = scene.fleet.start(slots=2)
    stock = scene.fleet.start(slots=2, program=STOCK)
    for worker in (ours, stock):
        worker.wait_for(" ready.")
    count = scaled(200, 2000)
    producer = scene.produce_stock(count)
    ids = [scene.send("work", 0.02) for _ in range(count)]
    ids += producer.communicate(timeout=60)[0].split()
    assert len(ids) == 2 * count
    counts = scene.sum_up("both producers, both workers", ids)
    assert not counts.faults, scene.logs()
    assert counts.repeated == 0
    assert scene.client.hlen("unacked") == 0
    took = [set(worker.children()) for worker in (ours, stock)]
    shares = [sum(run.pid in pids for run in scene.ledger.runs()) for pids in took]
    assert min(shares) > count // 20


def test_a_stock_worker_drains_what_we_sent(scene: Scene) -> None:
    ids = [scene.send("work", 0.01) for _ in range(100)]
    scene.fleet.ready(slots=2, program=STOCK)
    counts = scene.sum_up("our producer, stock worker", ids)
    assert not counts.faults
    assert counts.repeated == 0


def test_stock_messages_with_a_countdown_run_on_time_across_a_restart(scene: Scene) -> None:
    first = scene.fleet.ready(slots=2)
    producer = scene.produce_stock(20, 5.0)
    ids = producer.communicate(timeout=60)[0].split()
    sent_s = time.monotonic()
    scene.fleet.kill(first)
    scene.fleet.ready(slots=2)
    counts = scene.sum_up("stock countdown, worker killed", ids)
    starts = [runs[0].start_s - sent_s for runs in scene.ledger.by_task().values()]
    assert not counts.faults
    assert counts.repeated == 0
    # They were sent within a moment before that.
    assert all(3.0 < start < 5.0 + _ON_TIME_S for start in starts), starts
