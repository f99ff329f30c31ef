"""A claim belongs to one process while that lives: settled, given back, left, taken away."""

from __future__ import annotations

import time
from unittest import mock

import pytest


def bodies(found):
    return [delivery.body for delivery in found.deliveries]


def numbers(found):
    return [delivery.number for delivery in found.deliveries]


def workers(store):
    return store.client.zrange(f"{store.layout.namespace}workers", 0, -1)


@pytest.fixture
def five(store):
    """Five messages that wait."""
    for number in range(5):
        store.publish("q", b"%d" % number)


@pytest.mark.usefixtures("five")
def test_a_settled_claim_is_gone(store, claim) -> None:
    taken = numbers(claim())
    assert store.settle("one", taken[:2]) == 2
    assert store.settle("one", taken) == 3
    assert store.settle("one", taken) == 0
    assert store.settle("one", []) == 0
    assert store.client.keys("*claims*") == []


def test_thousands_of_claims_are_settled_at_once(store, claim) -> None:
    for _ in range(2500):
        store.publish("q", b"1")
    taken = [number for _ in range(3) for number in numbers(claim(limit=1000))]
    assert store.settle("one", taken) == 2500


@pytest.mark.usefixtures("five")
def test_nobody_settles_what_another_process_has(store, claim) -> None:
    taken = numbers(claim())
    assert store.settle("two", taken) == 0
    assert store.settle("one", taken) == 5


@pytest.mark.usefixtures("five")
def test_what_is_given_back_to_the_front_is_taken_next_in_the_same_order(store, claim) -> None:
    taken = numbers(claim(limit=3))
    assert store.give_back("one", taken, is_next=True) == 3
    assert bodies(claim()) == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.usefixtures("five")
def test_what_is_given_back_to_the_back_is_taken_last_in_the_same_order(store, claim) -> None:
    taken = numbers(claim(limit=3))
    assert store.give_back("one", taken, is_next=False) == 3
    assert bodies(claim()) == [b"3", b"4", b"0", b"1", b"2"]


def test_what_is_given_back_keeps_its_priority(store, claim) -> None:
    store.publish("q", b"9", step=9)
    store.give_back("one", numbers(claim()), is_next=True)
    store.publish("q", b"0")
    assert bodies(claim()) == [b"0", b"9"]


@pytest.mark.usefixtures("five")
def test_giving_back_counts_no_attempt(store, claim) -> None:
    for _ in range(10):
        found = claim()
        assert {delivery.attempts for delivery in found.deliveries} == {0}
        store.give_back("one", numbers(found), is_next=True)
    assert store.give_back("one", [], is_next=True) == 0


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize("way", ["give back", "leave", "reap"])
def test_what_comes_back_is_redelivered_until_it_is_settled(store, claim, end_lease, way) -> None:
    found = claim(limit=2)
    assert [delivery.is_redelivered for delivery in found.deliveries] == [False] * 2
    if way == "give back":
        store.give_back("one", numbers(found), is_next=True)
    elif way == "leave":
        store.leave("one")
    else:
        end_lease("one")
        store.reap()
    found = claim("two", limit=3)
    assert [delivery.is_redelivered for delivery in found.deliveries] == [True, True, False]
    store.settle("two", numbers(found))
    assert not store.client.exists(f"{store.layout.namespace}attempts")


def test_who_leaves_gives_back_all_in_order_and_has_no_lease(store, claim) -> None:
    for number in range(250):
        store.publish("q", b"%03d" % number)
    claim(limit=230)
    assert store.leave("one") == 230
    assert workers(store) == []
    found = claim("two", limit=250)
    assert bodies(found) == [b"%03d" % number for number in range(250)]
    assert {delivery.attempts for delivery in found.deliveries} == {0}


@pytest.mark.usefixtures("five")
def test_who_leaves_with_as_much_as_one_portion_has_no_lease_either(store, claim) -> None:
    for number in range(95):
        store.publish("q", b"%d" % number)
    claim(limit=100)
    assert store.leave("one") == 100
    assert workers(store) == []
    assert store.leave("one") == 0


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize("was_seen", [True, False])
def test_what_arrives_after_a_process_has_left_brings_it_nothing(store, claim, was_seen) -> None:
    if was_seen:
        claim(limit=3)
    store.leave("one")
    late, renewed = claim(limit=3), store.renew("one", lease_s=30.0)
    assert (late.deliveries, renewed.numbers) == ((), frozenset())
    assert not store.client.exists(f"{store.layout.namespace}claims:one")
    assert workers(store) == []
    assert 0 < store.client.pttl(f"{store.layout.namespace}left:one") <= 600_000
    assert bodies(claim("two")) == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.usefixtures("five")
def test_a_lease_that_ended_gives_all_back_in_order(store, claim, end_lease) -> None:
    claim(limit=3)
    assert store.reap() == (0, [])
    end_lease("one")
    assert store.reap() == (3, [])
    assert workers(store) == []
    found = claim("two")
    assert bodies(found) == [b"0", b"1", b"2", b"3", b"4"]
    assert [delivery.attempts for delivery in found.deliveries] == [1, 1, 1, 0, 0]


def test_a_lease_ends_by_itself(store, claim, wait_until) -> None:
    store.publish("q", b"1")
    claim(lease_s=0.05)
    wait_until(lambda: store.reap() == (1, []))


@pytest.mark.parametrize("how", ["claimed", "renewed"])
def test_a_lease_does_not_end_before_who_asked_for_it_believes_so(store, how: str) -> None:
    for _ in range(20):
        seconds, microseconds = store.client.time()
        if how == "claimed":
            store.claim("one", {"q": True}, 1, lease_s=0.5)
        else:
            store.renew("one", lease_s=0.5)
        asked_at_ms = seconds * 1000 + microseconds / 1000
        assert store.client.zscore(f"{store.layout.namespace}workers", "one") > asked_at_ms + 500


@pytest.mark.usefixtures("five")
def test_a_renewed_lease_does_not_end(store, claim, end_lease) -> None:
    claim()
    end_lease("one")
    store.renew("one", lease_s=60)
    assert store.reap() == (0, [])
    end_lease("one")
    claim()
    assert store.reap() == (0, [])


def test_no_process_gets_a_number_twice_from_a_server_that_forgot_its_latest_writes(store) -> None:
    def number(incarnation: str, last: int) -> int:
        store.publish("q", b"1")
        found = store.claim(incarnation, {"q": True}, 1, lease_s=60, last=last)
        return found.deliveries[0].number

    first = [number("one", 0), number("one", 1)]
    store.client.delete(f"{store.layout.namespace}seq")
    assert first == [1, 2]
    assert number("one", 2) == 3
    assert number("two", 0) == 4


def test_leases_that_ended_while_the_server_was_away_are_left_alone_for_a_while(
    store, claim, end_lease, wait_until
) -> None:
    claim("one")
    claim("two")
    end_lease("one")
    end_lease("two")
    # As after an outage: who comes back first must not take what the other one runs.
    assert not store.renew("two", lease_s=0.4).has_expired
    assert not store.renew("two", lease_s=0.4).has_expired
    wait_until(lambda: store.renew("two", lease_s=0.4).has_expired)


def test_a_claim_after_an_outage_hides_it_from_nobody(store, claim, end_lease) -> None:
    claim("one")
    end_lease("one")
    claim("two")
    assert not store.renew("two", lease_s=60).has_expired


def test_a_lease_that_ended_while_others_renewed_is_seen_at_once(store, claim, end_lease) -> None:
    claim("one")
    claim("two")
    end_lease("one")
    assert store.renew("two", lease_s=60).has_expired


@pytest.mark.usefixtures("five")
def test_reaping_takes_no_more_than_its_limit_and_ends_what_it_began(
    store, claim, end_lease
) -> None:
    claim(limit=3)
    claim("two", limit=2)
    end_lease("one")
    end_lease("two")
    assert [store.reap(limit=2)[0] for _ in range(4)] == [2, 2, 1, 0]
    assert workers(store) == []
    assert sorted(bodies(claim("three"))) == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.usefixtures("five")
def test_dead_processes_that_have_nothing_hide_none_that_has(store, claim, end_lease) -> None:
    for number in range(30):
        store.renew(f"idle-{number:02}", lease_s=0.001)
    claim("one")
    end_lease("one")
    for number in range(30):
        store.client.zadd(f"{store.layout.namespace}workers", {f"idle-{number:02}": 1})
    assert store.reap() == (5, [])
    assert workers(store) == []


@pytest.mark.usefixtures("five")
def test_who_was_reaped_changes_nothing_any_more(store, claim, end_lease) -> None:
    late = numbers(claim())
    end_lease("one")
    store.reap()
    after = claim("two")
    before = store.client.hgetall(f"{store.layout.namespace}claims:two")
    assert store.settle("one", late) == 0
    assert store.give_back("one", late, is_next=True) == 0
    assert store.give_back("one", late, is_next=False) == 0
    assert not store.reject("one", late[0], "why")
    assert not store.defer("one", late[0], 5)
    assert not store.park("one", late[0], "task")
    assert store.crash("one", late[0]) is None
    assert store.leave("one") == 0
    assert store.size("q") == 0
    assert (store.count_dead(), store.parked()) == (0, {})
    assert store.client.hgetall(f"{store.layout.namespace}claims:two") == before
    assert store.settle("two", numbers(after)) == 5


@pytest.mark.usefixtures("five")
def test_leases_do_not_depend_on_the_clock_of_the_client(store, claim) -> None:
    with mock.patch.object(time, "time", return_value=5e9):
        claim(lease_s=60)
    with mock.patch.object(time, "time", return_value=0.0):
        claim("two", lease_s=60)
        assert store.reap() == (0, [])
    [end, _] = store.client.zmscore(f"{store.layout.namespace}workers", ["one", "two"])
    seconds, _ = store.client.time()
    assert end / 1000 == pytest.approx(seconds + 60, abs=5)


def test_a_deferred_claim_waits_and_keeps_its_place(store, claim) -> None:
    store.publish("q", b"1", step=3)
    [delivery] = claim().deliveries
    assert store.defer("one", delivery.number, 100)
    assert not store.defer("one", delivery.number, 100)
    assert claim().next_due_s == pytest.approx(100, abs=5)
    store.client.zadd(f"{store.layout.namespace}delayed", {b"q\n3\n1": 1})
    assert bodies(claim()) == [b"1"]
    assert store.size("q") == 0
