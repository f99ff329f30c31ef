"""What a worker takes ahead of its slots: delivered in order, and never kept from others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from kombu import Connection, Consumer

from flask_celeriac.execute.sharing import Sharing
from flask_celeriac.transport.redis import urls
from flask_celeriac.transport.redis.claimant import MOST_OWED
from flask_celeriac.transport.redis.claimants import all_kept, forget

WaitUntil = Callable[..., None]


class Worker:
    """Consumes as Celery's worker does: one message at a time, acknowledged when it is done."""

    def __init__(self, url: str, **options: Any) -> None:
        options = {"work_in_hand_s": 0.1, "lease_s": 30.0, "renew_s": 10.0, **options}
        self.connection = Connection(urls.ours(url), transport_options=options)
        self.got: list[Any] = []
        self.running: list[Any] = []
        self.consume()
        self.claimant.is_lasting = True
        self.claimant.hand.note_run(0.01)  # nine are wanted beside each that runs

    def consume(self) -> None:
        self.channel = self.connection.channel()
        queue = self.connection.SimpleQueue("post").queue
        self.consumer = Consumer(self.channel, [queue], callbacks=[self._receive], prefetch_count=1)
        self.consumer.consume()

    @property
    def claimant(self) -> Any:
        return self.channel.claimant

    @property
    def hand(self) -> Any:
        return self.claimant.hand

    def _receive(self, body: Any, message: Any) -> None:
        self.got.append(body)
        self.running.append(message)

    def drain(self) -> None:
        self.connection.drain_events(timeout=3)

    def work(self, count: int) -> None:
        """Let *count* messages come, each when the one before is done."""
        for _ in range(count):
            while self.running:
                self.running.pop().ack()
            before = len(self.got)
            while len(self.got) == before:
                self.drain()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def make_worker(redis_url: str) -> Iterator[Callable[..., Worker]]:
    urls.register()
    made: list[Worker] = []

    def make(**options: Any) -> Worker:
        made.append(Worker(redis_url, **options))
        return made[-1]

    yield make
    for kept in all_kept():
        kept.claimant.leave(kept.claimant.store)
        forget(kept)
    for worker in made:
        worker.connection.release()


@pytest.fixture
def worker(make_worker: Callable[..., Worker]) -> Worker:
    """A worker of one slot, for which twenty messages wait."""
    worker = make_worker()
    send(worker, range(20))
    return worker


def send(worker: Worker, bodies: Any) -> None:
    queue = worker.connection.SimpleQueue("post")
    for body in bodies:
        queue.put(body)


def claims(client: redis.Redis) -> int:
    return sum(client.hlen(key) for key in client.keys("celeriac:1:claims:*"))


def test_short_tasks_are_taken_together_and_delivered_one_by_one_in_their_order(
    worker: Worker, client: redis.Redis
) -> None:
    worker.work(1)
    assert (worker.got, len(worker.hand)) == ([0], 9)
    assert (client.llen("post"), claims(client)) == (10, 10)
    worker.work(19)
    assert worker.got == list(range(20))
    worker.running.pop().ack()
    assert (client.llen("post"), claims(client)) == (0, 0)


def test_a_message_in_hand_does_not_wait_for_the_server(
    worker: Worker, client: redis.Redis
) -> None:
    worker.work(1)
    taken = client.get("celeriac:1:seq")
    worker.work(4)
    assert client.get("celeriac:1:seq") == taken


@pytest.mark.parametrize("seconds", [0.1, 5.0])
def test_long_tasks_are_taken_one_by_one(
    worker: Worker, client: redis.Redis, seconds: float
) -> None:
    worker.hand.note_run(seconds * 10)
    worker.work(2)
    assert (len(worker.hand), client.llen("post"), claims(client)) == (0, 18, 1)


def test_nothing_is_taken_ahead_unless_that_is_asked_for(
    make_worker: Callable[..., Worker], client: redis.Redis
) -> None:
    worker = make_worker(work_in_hand_s=0)
    send(worker, range(3))
    worker.work(1)
    assert (len(worker.hand), client.llen("post")) == (0, 2)


def test_what_is_in_hand_outlives_the_channel(worker: Worker, client: redis.Redis) -> None:
    worker.work(1)
    worker.channel.close()
    worker.consume()
    worker.running.clear()
    worker.work(19)
    assert worker.got == list(range(20))
    assert client.llen("post") == 0


def test_who_leaves_gives_back_what_is_in_hand_in_its_order(
    worker: Worker, client: redis.Redis, make_worker: Callable[..., Worker]
) -> None:
    worker.work(1)
    claimant = worker.claimant
    worker.running.pop().ack()
    claimant.leave(claimant.store)
    assert (len(claimant.hand), claims(client), client.llen("post")) == (0, 0, 19)
    for kept in all_kept():
        forget(kept)
    other = make_worker()
    other.work(19)
    assert other.got == list(range(1, 20))


def test_a_worker_that_is_to_end_begins_nothing_of_what_is_in_hand(
    worker: Worker, client: redis.Redis
) -> None:
    worker.work(1)
    worker.claimant.is_leaving = True
    worker.running.pop().ack()
    with pytest.raises(TimeoutError):
        worker.connection.drain_events(timeout=0.2)
    assert worker.got == [0]
    assert (len(worker.hand), claims(client), client.llen("post")) == (0, 0, 19)


def test_what_others_have_meanwhile_is_not_delivered(worker: Worker, client: redis.Redis) -> None:
    worker.work(1)
    claimant, store = worker.claimant, worker.channel.store
    client.zadd("celeriac:1:workers", {claimant.incarnation: 1})
    assert store.reap()[0] == 10
    claimant.look_after(claimant.store)
    taken = store.claim("other", {"post": True}, 100, lease_s=30)
    assert len(taken.deliveries) == 20
    send(worker, ["new"])
    worker.work(1)
    assert worker.got == [0, "new"]
    assert client.hlen("celeriac:1:claims:other") == 20
    store.leave("other")


def test_what_can_not_be_read_keeps_nothing_behind_it(worker: Worker, client: redis.Redis) -> None:
    client.lset("post", -3, b"no message")
    worker.work(5)
    assert worker.got == [0, 1, 3, 4, 5]
    assert worker.channel.store.count_dead() == 1


def test_what_is_cancelled_while_it_is_in_hand_is_said_before_it_is_delivered(
    worker: Worker, client: redis.Redis
) -> None:
    said: list[set[str]] = []
    worker.channel.connection.on_cancelled = said.append
    queue = worker.connection.SimpleQueue("post")
    queue.clear()
    for id_ in "abcdefghij":
        queue.put("x", headers={"id": id_, "task": "t"})
    worker.work(1)
    worker.channel.store.cancel("j")
    send(worker, range(8))
    for _ in range(10):
        worker.work(1)
        time.sleep(0.03)
    assert said == [{"j"}]


def test_who_is_idle_is_known_for_two_seconds(worker: Worker) -> None:
    store = worker.channel.store
    asking = {"lease_s": 30.0}
    store.claim("busy", {"empty": True}, 1, **asking)
    assert not store.is_other_idle("me", ["empty"])
    store.claim("idle", {"post": True}, 1, is_idle=True, **asking)
    assert not store.is_other_idle("me", ["post"])
    store.claim("idle", {"empty": True}, 1, is_idle=True, **asking)
    assert store.is_other_idle("me", ["post", "empty"])
    assert not store.is_other_idle("idle", ["post", "empty"])
    assert 0 < store.client.pttl("celeriac:1:idle:empty") <= 2000
    assert not store.is_other_idle("me", [])
    store.leave("idle")


def test_what_waits_behind_a_long_task_goes_to_who_is_idle(
    worker: Worker, client: redis.Redis, wait_until: WaitUntil
) -> None:
    worker.work(1)
    assert not client.exists("celeriac:1:attempts")
    sharing = Sharing(worker.claimant)
    try:
        time.sleep(1.0)
        assert len(worker.hand) == 9
        client.set("celeriac:1:idle:post", "other")
        began_s = time.monotonic()
        wait_until(lambda: not len(worker.hand))
        assert time.monotonic() - began_s < 1.0
    finally:
        sharing.stop()
    assert (claims(client), client.llen("post")) == (1, 19)
    assert not client.exists("celeriac:1:attempts")  # nobody is told of a delivery that was none
    # No more is taken ahead before the long task has ended.
    with pytest.raises(TimeoutError):
        worker.connection.drain_events(timeout=0.2)
    assert client.llen("post") == 19
    worker.claimant.hand.note_run(0.0)
    worker.work(19)
    assert worker.got == list(range(20))


def test_who_is_busy_with_what_is_in_hand_keeps_it(worker: Worker, client: redis.Redis) -> None:
    client.set("celeriac:1:idle:post", "other")
    sharing = Sharing(worker.claimant)
    try:
        for _ in range(12):
            worker.work(1)
            time.sleep(0.1)
    finally:
        sharing.stop()
    assert worker.got == list(range(12))
    assert len(worker.hand) > 0


def test_what_is_too_much_goes_to_who_is_idle_when_tasks_take_longer(
    worker: Worker, client: redis.Redis, wait_until: WaitUntil
) -> None:
    worker.work(1)
    for _ in range(5):
        worker.claimant.hand.note_run(0.05)
    sharing = Sharing(worker.claimant)
    try:
        time.sleep(0.6)
        worker.claimant.hand.put([])  # as if something was begun
        assert len(worker.hand) == 9  # nobody else has time for it
        client.set("celeriac:1:idle:post", "other")
        wait_until(lambda: len(worker.hand) < 9)
    finally:
        sharing.stop()
    worker.claimant.hand.note_run(0.05)
    worker.work(19)
    assert worker.got == list(range(20))


def test_few_ends_wait_for_others_and_the_server_knows_how_many(
    worker: Worker, client: redis.Redis
) -> None:
    worker.claimant.defer = lambda: True
    worker.hand.note_run(0.0)
    send(worker, range(100))
    most = 0
    for _ in range(60):
        worker.work(1)
        most = max(most, worker.claimant.owed)
    assert 2 <= most <= MOST_OWED
    begun = int(client.hget("celeriac:1:slots", worker.claimant.incarnation) or 0)
    assert begun >= most + 1
    worker.claimant.flush()
