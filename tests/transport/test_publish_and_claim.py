"""What is published is claimed: in order, once, when it is due, and no byte is changed."""

from __future__ import annotations

import pytest

from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.replies import Delivery
from flask_celeriac.transport.redis.store import MessageStore

DAY_S = 86400.0


def bodies(found):
    return [delivery.body for delivery in found.deliveries]


def make_due(store, number=1):
    """Bring the first *number* delayed messages to now."""
    key = f"{store.layout.namespace}delayed"
    now = store.client.time()[0] * 1000
    for place, (entry, _) in enumerate(store.client.zrange(key, 0, number - 1, withscores=True)):
        store.client.zadd(key, {entry: now - number + place})


def test_a_message_is_claimed_with_its_queue_and_a_number_of_its_own(store, claim) -> None:
    assert store.publish("q", b"1")
    assert store.publish("q", b"2")
    assert claim().deliveries == (Delivery("q", 1, 0, b"1"), Delivery("q", 2, 0, b"2"))


def test_messages_come_in_the_order_in_which_they_were_published(store, claim) -> None:
    for number in range(250):
        store.publish("q", b"%d" % number)
    found = [body for _ in range(26) for body in bodies(claim())]
    assert found == [b"%d" % number for number in range(250)]


def test_an_urgent_message_goes_before_all_others_of_all_queues(store, claim) -> None:
    for queue in ("first", "second"):
        for step in (9, 6, 3, 0):
            store.publish(queue, b"%s-%d" % (queue.encode(), step), step=step)
    assert bodies(claim(queues="first second")) == [
        b"%s-%d" % (queue, step) for step in (0, 3, 6, 9) for queue in (b"first", b"second")
    ]


def test_queues_of_one_priority_are_served_in_the_order_given(store, claim) -> None:
    for body in (b"1", b"2"):
        store.publish("a", b"a" + body)
        store.publish("b", b"b" + body)
    assert bodies(claim(limit=3, queues="b a")) == [b"b1", b"b2", b"a1"]
    assert bodies(claim(limit=3, queues="b a")) == [b"a2"]


def test_a_claim_takes_no_more_than_its_limit(store, claim) -> None:
    for number in range(5):
        store.publish("q", b"%d" % number, step=(number % 2) * 3)
    assert bodies(claim(limit=0)) == []
    assert bodies(claim(limit=4)) == [b"0", b"2", b"4", b"1"]
    assert bodies(claim(limit=4)) == [b"3"]
    assert bodies(claim(limit=4)) == []


def test_other_queues_are_left_alone(store, claim) -> None:
    store.publish("other", b"1")
    assert bodies(claim()) == []
    assert store.size("other") == 1


def test_a_claim_of_no_queue_is_empty(store) -> None:
    assert store.claim("one", {}, 10, lease_s=60).deliveries == ()


def test_what_need_not_be_settled_is_gone_when_taken(store) -> None:
    store.publish("q", b"1")
    store.publish("kept", b"2")
    found = store.claim("one", {"q": False, "kept": True}, 10, lease_s=60).deliveries
    assert [(d.queue, d.number == 0, d.body) for d in found] == [
        ("q", True, b"1"),
        ("kept", False, b"2"),
    ]
    assert store.client.hlen(f"{store.layout.namespace}claims:one") == 1


def test_a_token_that_was_seen_adds_nothing(store, claim) -> None:
    assert store.publish("q", b"1", token="t")
    assert not store.publish("q", b"1", token="t")
    assert not store.publish("q", b"1", token="t", delay_s=5)
    assert store.publish("q", b"2", token="u")
    assert bodies(claim()) == [b"1", b"2"]
    assert claim().next_due_s is None


def test_a_token_is_forgotten_after_its_time(client, wait_until) -> None:
    store = MessageStore(client, Layout())
    assert store.publish("q", b"1", token="t", token_s=0.05)
    wait_until(lambda: store.publish("q", b"1", token="t"))
    assert store.size("q") == 2


def test_a_delayed_message_is_not_ready_before_its_time(store, claim) -> None:
    store.publish("q", b"1", delay_s=DAY_S)
    store.publish("q", b"2", delay_s=100)
    found = claim()
    assert found.deliveries == ()
    assert found.next_due_s == pytest.approx(100, abs=5)
    make_due(store)
    found = claim()
    assert bodies(found) == [b"2"]
    assert found.next_due_s == pytest.approx(DAY_S, abs=5)


def test_a_delayed_message_becomes_ready_by_itself(store, claim, wait_until) -> None:
    store.publish("q", b"1", delay_s=0.05, step=6)
    wait_until(lambda: bodies(claim()) == [b"1"])


def test_due_messages_wait_behind_those_of_their_priority_that_are_ready(store, claim) -> None:
    store.publish("q", b"due 1", delay_s=50)
    store.publish("q", b"due 2", delay_s=60)
    store.publish("q", b"urgent", step=0)
    store.publish("q", b"late", step=9, delay_s=40)
    make_due(store, 3)
    assert bodies(claim()) == [b"urgent", b"due 1", b"due 2", b"late"]


def test_due_messages_of_queues_that_nobody_asks_for_become_ready_too(store, claim) -> None:
    store.publish("other", b"1", delay_s=50)
    make_due(store)
    assert bodies(claim()) == []
    assert store.size("other") == 1


def test_more_due_messages_than_one_claim_moves_are_due_at_once(store, claim) -> None:
    for number in range(130):
        store.publish("q", b"%03d" % number, delay_s=50)
    make_due(store, 130)
    first = claim(limit=1000)
    assert (len(first.deliveries), first.next_due_s) == (100, 0)
    second = claim(limit=1000)
    assert (len(second.deliveries), second.next_due_s) == (30, None)
    assert bodies(first) + bodies(second) == [b"%03d" % number for number in range(130)]


def test_a_full_claim_says_nothing_of_the_next_due_message(store, claim) -> None:
    store.publish("q", b"1", delay_s=50)
    store.publish("q", b"2")
    assert claim(limit=1).next_due_s is None
    assert claim(limit=1).next_due_s == pytest.approx(50, abs=5)


def test_a_claim_says_how_often_a_task_was_cancelled(store, claim) -> None:
    assert claim().cancellations == 0
    store.cancel("id")
    store.cancel("id")
    assert claim().cancellations == 2


ODD_BODIES = [
    b"",
    b"\n",
    b"\n\n9\nother queue",
    bytes(range(256)),
    b"\r\n\x00" * 50,
    "žluť".encode("utf-16"),
    b"x" * 300_000,
]
ODD_QUEUES = ["žluť", "a b", "q*[1]", "a:b", '"', "\x06\x16", "\r\t", "%s{q}"]


@pytest.mark.parametrize("queue", ODD_QUEUES)
def test_bodies_of_any_bytes_pass_unchanged_through_every_place(store, queue, end_lease) -> None:
    wanted = sorted(ODD_BODIES)

    def taken(incarnation="one", **options):
        return store.claim(incarnation, {queue: True}, 100, lease_s=600, **options).deliveries

    for body in ODD_BODIES:
        store.publish(queue, body, step=9, delay_s=50)
    make_due(store, len(wanted))
    assert sorted(d.body for d in taken()) == wanted
    end_lease("one")
    assert store.reap() == (len(wanted), [])
    for delivery in taken():
        store.park("one", delivery.number, "shop.unknown\ntask")
    assert store.parked() == {"shop.unknown\ntask": len(wanted)}
    for delivery in taken(tasks=["shop.unknown\ntask"]):
        store.reject("one", delivery.number, "odd")
    assert {letter.queue for letter in store.dead_letters()} == {queue}
    assert sorted(letter.body for letter in store.dead_letters()) == wanted
    assert store.replay(letter.number for letter in store.dead_letters()) == len(wanted)
    store.give_back("one", [d.number for d in taken()], is_next=True)
    assert sorted(d.body for d in taken()) == wanted
    assert store.leave("one") == len(wanted)
    assert store.purge(queue) == len(wanted)


def test_ready_messages_lie_where_kombu_looks_for_them(client) -> None:
    store = MessageStore(client, Layout())
    store.publish("q", b"0")
    store.publish("q", b"3", step=3)
    assert client.rpop("q") == b"0"
    assert client.rpop("q\x06\x163") == b"3"


def test_every_key_begins_with_the_prefix(client, end_lease) -> None:
    store = MessageStore(client, Layout(prefix="shop:", separator="::"))
    store.publish("q", b"1", step=3, token="t")
    store.publish("q", b"2", delay_s=50)
    assert client.lrange("shop:q::3", 0, -1) == [b"1"]
    store.claim("one", {"q": True}, 1, lease_s=60)
    store.cancel("id")
    store.reject("one", 1, "why")
    assert [key for key in client.keys("*") if not key.startswith(b"shop:")] == []


def test_applications_with_other_prefixes_do_not_see_each_other(client) -> None:
    shops = [MessageStore(client, Layout(prefix=prefix)) for prefix in ("a:", "b:", "")]
    for shop in shops:
        shop.publish("q", shop.layout.prefix.encode(), token="same")
        shop.cancel(shop.layout.prefix)
    for shop in shops:
        found = shop.claim("one", {"q": True}, 10, lease_s=60)
        assert bodies(found) == [shop.layout.prefix.encode()]
        assert shop.cancelled() == {shop.layout.prefix}


def test_another_set_of_priority_steps_is_followed(client) -> None:
    store = MessageStore(client, Layout(steps=(0, 5)))
    store.publish("q", b"5", step=5)
    store.publish("q", b"0")
    assert store.size("q") == 2
    assert bodies(store.claim("one", {"q": True}, 10, lease_s=60)) == [b"0", b"5"]
    store.publish("q", b"5", step=5)
    assert store.purge("q") == 1


def test_scripts_that_the_server_forgot_are_sent_again(store, claim) -> None:
    store.publish("q", b"1")
    store.client.script_flush()
    number = claim().deliveries[0].number
    store.client.script_flush()
    assert store.settle("one", [number]) == 1


def test_a_release_with_other_keys_shares_ready_messages_and_nothing_else(
    client, end_lease
) -> None:
    present = MessageStore(client, Layout(version=1))
    coming = MessageStore(client, Layout(version=2))
    queue = {"q": True}
    present.publish("q", b"1", token="t")
    assert coming.publish("q", b"2", token="t")
    assert bodies(coming.claim("one", queue, 1, lease_s=60)) == [b"1"]
    assert bodies(present.claim("one", queue, 1, lease_s=60)) == [b"2"]
    assert coming.give_back("one", [1], is_next=True) == 1
    assert present.size("q") == 1

    present.reject("one", 1, "why")
    present.publish("q", b"3", delay_s=50)
    present.cancel("id")
    assert coming.dead_letters() == []
    assert coming.cancelled() == set()
    assert coming.claim("one", queue, 10, lease_s=0.001).next_due_s is None
    assert present.reap() == (0, [])
    assert [key for key in client.keys("*") if not key.startswith(b"celeriac:")] == []


def bodies_of(found):
    return [delivery.body for delivery in found.deliveries]


def test_what_can_not_begin_at_once_is_shared_with_the_others(store) -> None:
    store.publish_many("q", [b"%d" % number for number in range(40)])
    store.claim("other", {"empty": True}, 1, lease_s=60)
    first = store.claim("one", {"q": True}, 100, room=1, lease_s=60)
    assert (len(first.deliveries), first.limit) == (20, 20)
    second = store.claim("other", {"q": True}, 100, room=1, lease_s=60)
    assert len(second.deliveries) == 10
    assert bodies_of(first)[0] == b"0"
    assert bodies_of(second)[0] == b"20"


def test_what_can_begin_at_once_is_not_shared(store) -> None:
    store.publish_many("q", [b"%d" % number for number in range(10)])
    for name in ("two", "three", "four"):
        store.claim(name, {"empty": True}, 1, lease_s=60)
    found = store.claim("one", {"q": True}, 100, room=8, lease_s=60)
    assert len(found.deliveries) == 8


def test_who_is_alone_shares_with_nobody(store) -> None:
    store.publish_many("q", [b"%d" % number for number in range(10)])
    found = store.claim("one", {"q": True}, 100, room=1, lease_s=60)
    assert (len(found.deliveries), found.limit) == (10, 100)


def test_a_share_takes_nothing_from_behind_what_is_left_for_others(store) -> None:
    store.publish_many("q", [b"high%d" % number for number in range(4)])
    store.publish_many("q", [b"low%d" % number for number in range(4)], step=3)
    store.claim("other", {"empty": True}, 1, lease_s=60)
    found = store.claim("one", {"q": True}, 100, room=1, lease_s=60)
    assert bodies_of(found) == [b"high0", b"high1"]
    rest = store.claim("other", {"q": True}, 3, lease_s=60)
    assert bodies_of(rest) == [b"high2", b"high3", b"low0"]
