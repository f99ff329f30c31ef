"""Who waits at the bell of a queue is woken when there is something for it."""

from __future__ import annotations

import threading

import pytest
from redis import Redis

from flask_celeriac.transport.redis.waiting import Waiting


def numbers(found):
    return [delivery.number for delivery in found.deliveries]


class Idle:
    """A consumer that waits at the bell, on a connection of its own."""

    def __init__(self, server, key):
        self.client = Redis.from_url(server)
        self.key = key
        self.woken_by = None
        self.thread = threading.Thread(target=self._wait)
        self.thread.start()

    def _wait(self):
        self.woken_by = self.client.blpop(self.key, timeout=20)

    def is_woken(self):
        self.thread.join(10)
        return self.woken_by is not None


@pytest.fixture
def idle(server, store, wait_until):
    """A function that starts a consumer and returns it as soon as it waits."""
    started = []

    def start(queue="q"):
        store.client.delete(store.layout.bell_key(queue))
        before = store.client.info("clients")["blocked_clients"]
        started.append(Idle(server, store.layout.bell_key(queue)))
        wait_until(lambda: store.client.info("clients")["blocked_clients"] == before + 1)
        return started[-1]

    yield start
    for consumer in started:
        if consumer.thread.is_alive():
            store.client.lpush(consumer.key, "end of the test")
        consumer.thread.join(10)
        consumer.client.close()


def rings(store, queue="q"):
    return store.client.llen(store.layout.bell_key(queue))


def be_silent(store, queue="q"):
    store.client.delete(store.layout.bell_key(queue))


def test_publishing_wakes(store, idle) -> None:
    consumer = idle()
    store.publish("q", b"1", step=9)
    assert consumer.is_woken()


def test_a_publish_with_a_known_token_or_a_delay_does_not_ring(store) -> None:
    store.publish("q", b"1", token="t")
    be_silent(store)
    store.publish("q", b"1", token="t")
    store.publish("q", b"1", delay_s=60)
    assert rings(store) == 0


@pytest.mark.parametrize("is_next", [True, False])
def test_giving_back_wakes(store, claim, idle, is_next) -> None:
    store.publish("q", b"1")
    taken = numbers(claim())
    consumer = idle()
    store.give_back("one", taken, is_next=is_next)
    assert consumer.is_woken()


def test_leaving_wakes(store, claim, idle) -> None:
    store.publish("q", b"1")
    claim()
    consumer = idle()
    store.leave("one")
    assert consumer.is_woken()


def test_reaping_wakes(store, claim, idle, end_lease) -> None:
    store.publish("q", b"1")
    claim()
    end_lease("one")
    consumer = idle()
    store.reap()
    assert consumer.is_woken()


def test_a_crash_wakes_for_a_ready_message_and_for_a_suspect(store, claim, idle) -> None:
    store.publish("q", b"1")
    for _ in range(2):
        [number] = numbers(claim())
        consumer = idle()
        store.crash("one", number)
        assert consumer.is_woken()


def test_replaying_wakes(store, claim, idle) -> None:
    store.publish("q", b"1")
    [number] = numbers(claim())
    store.reject("one", number, "why")
    consumer = idle()
    store.replay([number])
    assert consumer.is_woken()


def test_parked_messages_that_are_not_taken_wake_others(store, claim, idle) -> None:
    store.publish("q", b"1", step=3)
    [number] = numbers(claim())
    store.park("one", number, "task")
    store.publish("q", b"2")
    store.client.delete(store.layout.bell_key("q"))
    consumer = idle()
    claim(limit=1, tasks=["task"])
    assert consumer.is_woken()


def test_who_makes_delayed_messages_ready_wakes_the_consumers_of_their_queue(
    store, claim, idle
) -> None:
    store.publish("q", b"1", delay_s=60)
    store.client.zadd(f"{store.layout.namespace}delayed", {b"q\n0\n1": 1})
    consumer = idle()
    claim(queues="other")
    assert consumer.is_woken()


def test_who_leaves_messages_behind_rings_for_the_next(store, claim, idle) -> None:
    for step in (0, 9):
        store.publish("q", b"1", step=step)
    consumer = idle()
    claim(limit=1)
    assert consumer.is_woken()


def test_who_takes_all_does_not_ring(store, claim) -> None:
    store.publish("q", b"1")
    store.publish("other", b"1")
    be_silent(store)
    claim(limit=1)
    assert rings(store) == 0
    be_silent(store, "other")
    claim(limit=1, queues="q other")
    assert rings(store, "other") == 0


def test_who_can_take_nothing_rings_for_the_others(store, claim) -> None:
    store.publish("q", b"1")
    be_silent(store)
    claim(limit=0)
    assert rings(store) == 1


def test_a_bell_holds_one_token(store, claim, end_lease) -> None:
    for number in range(5):
        store.publish("q", b"%d" % number)
    assert rings(store) == 1
    taken = numbers(claim(limit=3))
    store.give_back("one", taken, is_next=True)
    store.give_back("one", numbers(claim()), is_next=False)
    claim()
    end_lease("one")
    store.reap()
    assert rings(store) == 1


def test_who_takes_one_of_several_suspects_rings_for_the_next(store, claim, let_die, idle) -> None:
    store.publish("q", b"1")
    store.publish("q", b"2")
    let_die(2)
    consumer = idle()
    claim("one")
    assert consumer.is_woken()
    be_silent(store)
    claim("one")
    assert rings(store) == 0, "it would wake itself for ever"
    claim("two")
    assert rings(store) == 0


def test_who_is_done_with_a_suspect_hears_of_the_next(store, claim, let_die, idle) -> None:
    store.publish("q", b"1")
    store.publish("q", b"2")
    let_die(2)
    taken = numbers(claim())
    consumer = idle()
    store.settle("one", taken)
    assert consumer.is_woken()


def calls(store, caller="one/0"):
    return store.client.llen(store.layout.call_key(caller))


def end_all(store, taken, *, queues=("q",)):
    """Let `one` end what it has, and wait for more."""
    store.finish("one", [(number, None) for number in taken], Waiting("one/0", queues))


def test_who_was_the_last_to_end_all_it_had_is_called_once_and_nobody_else(store, claim) -> None:
    store.publish("q", b"1")
    be_silent(store)
    end_all(store, numbers(claim()))
    store.publish("q", b"2")
    assert (calls(store), rings(store)) == (1, 0)
    assert 0 < store.client.pttl(store.layout.call_key("one/0")) <= 1000
    store.publish("q", b"3")
    assert (calls(store), rings(store)) == (1, 1)


def test_who_was_called_is_woken(store, claim, idle, server, wait_until) -> None:
    store.publish("q", b"1")
    end_all(store, numbers(claim()))
    consumer = Idle(server, store.layout.call_key("one/0"))
    wait_until(lambda: store.client.info("clients")["blocked_clients"] == 1)
    store.publish("q", b"2")
    assert consumer.is_woken()
    consumer.client.close()


def test_nobody_is_called_for_longer_than_a_second_after_its_end(store, claim) -> None:
    store.publish("q", b"1")
    end_all(store, numbers(claim()))
    assert 0 < store.client.pttl(f"{store.layout.namespace}warm:q") <= 1000


def test_who_has_something_left_is_not_called(store, claim) -> None:
    store.publish("q", b"1")
    store.publish("q", b"2")
    end_all(store, numbers(claim())[:1])
    be_silent(store)
    store.publish("q", b"3")
    assert (calls(store), rings(store)) == (0, 1)


def test_who_has_taken_something_since_is_not_called(store, claim) -> None:
    store.publish("q", b"1")
    end_all(store, numbers(claim(queues="q other")), queues=("q", "other"))
    store.publish("q", b"2")
    assert calls(store) == 1
    claim(queues="q other")
    store.publish("other", b"3")
    assert (calls(store), rings(store, "other")) == (1, 1)


def test_who_does_not_wait_is_not_called(store, claim) -> None:
    store.publish("q", b"1")
    be_silent(store)
    store.settle("one", numbers(claim()))
    store.publish("q", b"2")
    assert rings(store) == 1
