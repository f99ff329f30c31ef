"""A message that ends its process is blamed, alone, and ends as a dead letter; none is lost."""

from __future__ import annotations

import hashlib

import pytest

from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.store import MessageStore

QUEUE = {"q": True}


def bodies(found):
    return [delivery.body for delivery in found.deliveries]


def numbers(found):
    return [delivery.number for delivery in found.deliveries]


def attempts(store, body):
    found = store.client.hget(
        f"{store.layout.namespace}attempts", hashlib.sha1(body, usedforsecurity=False).hexdigest()
    )
    return int(found or 0)


@pytest.fixture
def suspects(store, let_die):
    """Three messages that ended two processes each."""
    for number in range(3):
        store.publish("q", b"suspect %d" % number)
    let_die(2)


@pytest.mark.usefixtures("suspects")
def test_a_process_has_one_suspect_at_most_and_gets_it_first(store, claim) -> None:
    store.publish("q", b"ready")
    assert bodies(claim("one")) == [b"suspect 0", b"ready"]
    assert bodies(claim("one")) == []
    assert bodies(claim("two")) == [b"suspect 1"]


@pytest.mark.usefixtures("suspects")
def test_a_suspect_says_how_often_it_was_tried(claim) -> None:
    assert claim().deliveries[0].attempts == 2


@pytest.mark.usefixtures("suspects")
@pytest.mark.parametrize("limit", [0, 1])
def test_a_suspect_counts_for_the_limit(store, claim, limit) -> None:
    store.publish("q", b"ready")
    assert bodies(claim(limit=limit)) == [b"suspect 0"][:limit]


@pytest.mark.usefixtures("suspects")
def test_a_suspect_is_not_given_to_who_does_not_settle(store) -> None:
    assert bodies(store.claim("one", {"q": False}, 10, lease_s=60)) == []


@pytest.mark.usefixtures("suspects")
@pytest.mark.parametrize("other", ["", "other"])
def test_suspects_of_other_queues_are_left_alone(claim, other) -> None:
    assert bodies(claim(queues=other)) == []
    assert bodies(claim(queues="other q")) == [b"suspect 0"]


@pytest.mark.usefixtures("suspects")
@pytest.mark.parametrize("end", ["settle", "reject", "defer", "park", "crash"])
def test_who_is_done_with_a_suspect_may_have_the_next(store, claim, end) -> None:
    [number] = numbers(claim())
    calls = {
        "settle": lambda: store.settle("one", [number]),
        "reject": lambda: store.reject("one", number, "why"),
        "defer": lambda: store.defer("one", number, 60),
        "park": lambda: store.park("one", number, "task"),
        "crash": lambda: store.crash("one", number),
    }
    assert calls[end]()
    assert bodies(claim()) == [b"suspect 1"]


@pytest.mark.usefixtures("suspects")
def test_a_suspect_that_is_given_back_stays_one(store, claim) -> None:
    store.give_back("one", numbers(claim()), is_next=True)
    assert store.size("q") == 0
    assert bodies(claim()) == [b"suspect 0"]
    store.give_back("one", numbers(claim()) or [7], is_next=False)
    assert bodies(claim("two")) == [b"suspect 1"]


@pytest.mark.usefixtures("suspects")
def test_a_suspect_given_back_to_the_back_comes_last(store, claim) -> None:
    store.give_back("one", numbers(claim()), is_next=False)
    assert [bodies(claim(name)) for name in ("one", "two", "three", "four")] == [
        [b"suspect 1"],
        [b"suspect 2"],
        [b"suspect 0"],
        [],
    ]


@pytest.mark.usefixtures("suspects")
def test_who_leaves_gives_its_suspect_back_as_one(store, claim) -> None:
    store.publish("q", b"ready")
    claim("one")
    assert store.leave("one") == 2
    assert bodies(claim("two")) == [b"suspect 0", b"ready"]


@pytest.mark.usefixtures("suspects")
def test_a_suspect_that_was_parked_comes_back_as_one(store, claim) -> None:
    [number] = numbers(claim())
    store.park("one", number, "task")
    assert [bodies(claim(name, tasks=["task"])) for name in ("one", "two", "three")] == [
        [b"suspect 0"],
        [b"suspect 1"],
        [b"suspect 2"],
    ]


@pytest.mark.usefixtures("suspects")
def test_a_suspect_that_was_deferred_comes_back_as_one(store, claim) -> None:
    [number] = numbers(claim())
    store.defer("one", number, 0)
    claim("two")
    assert store.size("q") == 0
    assert [bodies(claim(name)) for name in ("three", "four")] == [[b"suspect 2"], [b"suspect 0"]]


@pytest.mark.usefixtures("suspects")
def test_only_the_suspect_of_a_dead_process_is_blamed(store, claim, end_lease) -> None:
    for number in range(3):
        store.publish("q", b"innocent %d" % number)
    claim("one")
    end_lease("one")
    count, dead = store.reap()
    assert count == 4
    [letter] = store.dead_letters()
    assert [letter.number] == dead
    assert (letter.queue, letter.body, letter.attempts) == ("q", b"suspect 0", 3)
    assert letter.reason == "its process ended while it ran, 3 times"
    seconds, _ = store.client.time()
    assert letter.at == pytest.approx(seconds, abs=10)
    found = claim("two", limit=10)
    assert [(d.body, d.attempts) for d in found.deliveries] == [
        (b"suspect 1", 2),
        *((b"innocent %d" % number, 0) for number in range(3)),
    ]


@pytest.mark.usefixtures("suspects")
def test_only_the_suspect_is_blamed_also_when_reaped_in_portions(store, claim, end_lease) -> None:
    for number in range(4):
        store.publish("q", b"innocent %d" % number)
    claim("one")
    end_lease("one")
    assert [store.reap(limit=2)[0] for _ in range(4)] == [2, 2, 1, 0]
    assert [letter.body for letter in store.dead_letters()] == [b"suspect 0"]
    assert bodies(claim("two", limit=10))[1:] == [b"innocent %d" % number for number in range(4)]


@pytest.mark.usefixtures("suspects")
def test_a_process_that_wakes_up_half_reaped_still_has_its_suspect(store, claim, end_lease) -> None:
    store.publish("q", b"innocent")
    suspect, _ = numbers(claim("one"))
    end_lease("one")
    assert store.reap(limit=1) == (1, [])
    assert bodies(claim("one")) == [b"innocent"]
    assert store.settle("one", [suspect]) == 1
    assert bodies(claim("one")) == [b"suspect 1"]


def test_suspects_of_one_dead_process_keep_their_order(store, claim, let_die) -> None:
    for number in range(3):
        store.publish("q", b"%d" % number)
    let_die(2)
    assert [bodies(claim(name)) for name in ("a", "b", "c")] == [[b"0"], [b"1"], [b"2"]]


def test_a_message_that_was_settled_is_not_blamed_any_more(store, claim, let_die) -> None:
    store.publish("q", b"1")
    store.publish("q", b"2")
    let_die(1)
    [first, second] = claim().deliveries
    assert (first.attempts, second.attempts) == (1, 1)
    store.settle("one", [first.number])
    assert (attempts(store, b"1"), attempts(store, b"2")) == (0, 1)
    store.settle("one", [second.number])
    assert not store.client.exists(f"{store.layout.namespace}attempts")


def test_attempts_are_forgotten_after_a_week(store, let_die) -> None:
    store.publish("q", b"1")
    let_die(1)
    assert 604000 < store.client.ttl(f"{store.layout.namespace}attempts") <= 604800


@pytest.mark.usefixtures("suspects")
def test_suspects_whose_attempts_are_forgotten_are_still_taken(store, claim) -> None:
    store.client.delete(f"{store.layout.namespace}attempts")
    assert bodies(claim("one")) == [b"suspect 0"]
    assert bodies(claim("two")) == [b"suspect 1"]


@pytest.mark.usefixtures("suspects")
def test_who_settled_a_suspect_whose_attempts_are_forgotten_may_have_the_next(store, claim) -> None:
    [number] = numbers(claim())
    store.client.delete(f"{store.layout.namespace}attempts")
    assert store.settle("one", [number]) == 1
    assert bodies(claim()) == [b"suspect 1"]


def test_the_third_crash_of_a_child_makes_a_dead_letter(store, claim) -> None:
    store.publish("q", b"innocent", step=3)
    store.publish("q", b"poison", step=0)
    outcomes = []
    for _ in range(3):
        found = claim()
        poison = next(d for d in found.deliveries if d.body == b"poison")
        outcomes.append(store.crash("one", poison.number))
        store.give_back("one", numbers(found), is_next=True)
    assert outcomes == [False, False, True]
    [letter] = store.dead_letters()
    assert (letter.body, letter.attempts) == (b"poison", 3)
    [innocent] = claim().deliveries
    assert (innocent.body, innocent.attempts) == (b"innocent", 0)


def test_how_many_starts_a_message_has_can_be_said(client) -> None:
    store = MessageStore(client, Layout(most_starts=1))
    store.publish("q", b"1")
    [number] = numbers(store.claim("one", QUEUE, 10, lease_s=60))
    assert store.crash("one", number) is True
    assert store.dead_letters()[0].reason == "its process ended while it ran, 1 times"


def test_a_rejected_message_is_a_dead_letter_with_its_reason(store, claim, let_die) -> None:
    store.publish("q", b"1", step=6)
    let_die(1)
    [number] = numbers(claim())
    assert store.reject("one", number, "není čitelná")
    assert not store.reject("one", number, "again")
    [letter] = store.dead_letters()
    assert (letter.number, letter.queue, letter.body) == (number, "q", b"1")
    assert (letter.reason, letter.attempts) == ("není čitelná", 1)
    assert store.dead_letter(number) == letter
    assert attempts(store, b"1") == 0


@pytest.fixture
def letters(store, claim):
    """Five dead letters, a second between each and the next."""
    for number in range(5):
        store.publish("q", b"%d" % number, step=3)
    taken = numbers(claim())
    for place, number in enumerate(taken):
        store.reject("one", number, "why")
        store.client.zadd(f"{store.layout.namespace}dead", {str(number): 1000 * place})
    return taken


def test_dead_letters_are_listed_the_youngest_first(store, letters) -> None:
    assert store.count_dead() == 5
    assert [letter.number for letter in store.dead_letters()] == letters[::-1]
    assert [letter.number for letter in store.dead_letters(1, 2)] == letters[::-1][1:3]
    assert store.dead_letters(5) == []
    assert store.dead_letter(999) is None


def test_a_letter_that_was_deleted_while_they_are_listed_is_left_out(store, letters) -> None:
    store.client.delete(f"{store.layout.namespace}dead:{letters[0]}")
    assert [letter.number for letter in store.dead_letters()] == letters[:0:-1]


def test_dead_letters_are_reported_once(store, letters) -> None:
    assert store.unreported() == letters
    store.report(letters[0])
    store.report(letters[0])
    assert store.unreported() == letters[1:]


def test_replayed_letters_wait_behind_the_others_of_their_priority(store, claim, letters) -> None:
    store.publish("q", b"ready", step=3)
    assert store.replay([letters[1], letters[0], letters[0], 999]) == 2
    assert (store.count_dead(), store.unreported()) == (3, letters[2:])
    assert store.dead_letter(letters[0]) is None
    assert bodies(claim()) == [b"ready", b"1", b"0"]
    assert store.replay([]) == 0


def test_a_replayed_letter_has_all_its_starts_again(store, claim, let_die) -> None:
    store.publish("q", b"1")
    let_die(3)
    [letter] = store.dead_letters()
    assert store.replay([letter.number]) == 1
    assert claim().deliveries[0].attempts == 0
    store.leave("one")
    let_die(2)
    assert store.count_dead() == 0
    let_die(1)
    assert store.dead_letters()[0].attempts == 3


def test_discarded_letters_are_gone(store, claim, letters) -> None:
    assert store.discard([letters[0], letters[0], 999]) == 1
    assert store.discard(letters) == 4
    assert store.discard([]) == 0
    assert (store.count_dead(), store.unreported(), store.size("q")) == (0, [], 0)
    assert store.client.keys("*dead*") == []


@pytest.fixture
def take_ahead(store, claim, end_lease):
    """Let a process of one slot take ten messages and die, having settled some."""

    def call(incarnation: str, settled: int = 0) -> list[bytes]:
        found = store.claim(incarnation, {"q": True}, 10, lease_s=600, slots=1).deliveries
        store.settle(incarnation, [delivery.number for delivery in found[:settled]])
        end_lease(incarnation)
        store.reap()
        return [delivery.body for delivery in found]

    return call


def test_what_was_taken_ahead_is_not_blamed(store, take_ahead, claim) -> None:
    for number in range(10):
        store.publish("q", b"%d" % number)
    for number in range(3):
        assert take_ahead(f"dying-{number}")[0] == b"0"
    (letter,) = store.dead_letters()
    assert letter.body == b"0"
    found = claim("next").deliveries
    assert [(each.body, each.attempts) for each in found] == [(b"%d" % n, 0) for n in range(1, 10)]
    assert all(each.is_redelivered for each in found)


def test_of_what_was_taken_ahead_the_first_that_had_not_ended_is_blamed(store, take_ahead) -> None:
    for number in range(10):
        store.publish("q", b"%d" % number)
    take_ahead("dying", settled=4)
    assert store.client.hvals(f"{store.layout.namespace}attempts").count(b"1") == 1
    found = store.claim("next", {"q": True}, 10, lease_s=600).deliveries
    assert {each.body: each.attempts for each in found}[b"4"] == 1
    assert sum(each.attempts for each in found) == 1


def test_in_portions_too_only_the_first_is_blamed(store, end_lease) -> None:
    for number in range(10):
        store.publish("q", b"%d" % number)
    store.claim("dying", {"q": True}, 10, lease_s=600, slots=2)
    end_lease("dying")
    while store.reap(limit=3)[0]:
        pass
    found = store.claim("next", {"q": True}, 10, lease_s=600).deliveries
    assert [each.attempts for each in found] == [1, 1, *([0] * 8)]


def test_the_slots_of_a_process_are_forgotten_with_it(store, end_lease) -> None:
    key = f"{store.layout.namespace}slots"
    for incarnation in ("leaving", "dying"):
        store.claim(incarnation, {"q": True}, 1, lease_s=600, slots=3)
    store.claim("leaving", {"q": True}, 1, lease_s=600)
    assert store.client.hgetall(key) == {b"leaving": b"3", b"dying": b"3"}
    store.leave("leaving")
    end_lease("dying")
    store.reap()
    assert store.client.exists(key) == 0
