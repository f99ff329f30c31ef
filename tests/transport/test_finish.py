"""The end of a claim and what its task leaves are one step."""

from __future__ import annotations

import pytest
from redis.exceptions import ResponseError

from flask_celeriac.transport.redis.outcome import Ending, Outcome

KEY = b"celery-task-meta-a"
SUCCESS = '{"status": "SUCCESS", "result": 1}'
FAILURE = '{"status": "FAILURE", "result": {}}'


def outcome(value: str = SUCCESS, *, key: bytes = KEY, expires_s: int = 60) -> Outcome:
    return Outcome(key, value, expires_s, store=lambda: None, tell_late=lambda: None)


@pytest.fixture
def taken(store, claim) -> list[int]:
    """The numbers of three claims."""
    for number in range(3):
        store.publish("q", b"%d" % number)
    return [delivery.number for delivery in claim().deliveries]


def test_the_outcome_is_stored_and_told_and_the_claim_is_gone(store, taken) -> None:
    with store.client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(KEY.decode())
        pubsub.get_message(timeout=1)
        assert store.finish("one", [(taken[0], outcome())]) == [Ending.ENDED]
        message = pubsub.get_message(timeout=1)
    assert message["data"] == SUCCESS.encode()
    assert store.client.get(KEY) == SUCCESS.encode()
    assert 50 < store.client.ttl(KEY) <= 60
    assert store.settle("one", taken) == 2


def test_an_outcome_may_live_for_ever(store, taken) -> None:
    store.finish("one", [(taken[0], outcome(expires_s=0))])
    assert store.client.ttl(KEY) == -1


def test_without_the_claim_nothing_is_stored_or_told(store, taken) -> None:
    with store.client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(KEY.decode())
        pubsub.get_message(timeout=1)
        owed = [(taken[0], outcome()), (taken[1], None)]
        assert store.finish("two", owed) == [Ending.LATE, Ending.LATE]
        assert pubsub.get_message(timeout=0.1) is None
    assert store.client.exists(KEY) == 0
    assert store.settle("one", taken) == 3


def test_an_outcome_is_stored_once_only(store, taken) -> None:
    owed = [(taken[0], outcome()), (taken[0], outcome(FAILURE))]
    assert store.finish("one", owed) == [Ending.ENDED, Ending.LATE]
    assert store.client.get(KEY) == SUCCESS.encode()


def test_a_success_that_is_there_is_kept_and_the_claim_ends(store, taken) -> None:
    store.client.set(KEY, SUCCESS)
    assert store.finish("one", [(taken[0], outcome(FAILURE))]) == [Ending.ENDED]
    assert store.client.get(KEY) == SUCCESS.encode()


def test_another_state_that_is_there_is_replaced(store, taken) -> None:
    store.client.set(KEY, FAILURE)
    assert store.finish("one", [(taken[0], outcome())]) == [Ending.ENDED]
    assert store.client.get(KEY) == SUCCESS.encode()


def test_what_must_be_decoded_first_is_left_to_the_caller_with_its_claim(store, taken) -> None:
    store.client.set(KEY, b"\x78\x9c...")
    owed = [(taken[0], outcome()), (taken[1], outcome(key=b"other")), (taken[2], None)]
    assert store.finish("one", owed) == [Ending.APART, Ending.ENDED, Ending.ENDED]
    assert store.client.get(KEY) == b"\x78\x9c..."
    assert store.client.get("other") == SUCCESS.encode()
    assert store.settle("one", taken) == 1


def test_a_key_that_is_no_string_is_said(store, taken) -> None:
    store.client.rpush(KEY, "x")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        store.finish("one", [(taken[0], outcome())])
    assert store.settle("one", taken) == 3


def test_who_ends_well_is_no_suspect_any_more(store, claim, let_die) -> None:
    store.publish("q", b"letter")
    let_die(2)
    (delivery,) = claim().deliveries
    assert store.finish("one", [(delivery.number, outcome())]) == [Ending.ENDED]
    assert (
        store.client.exists(*(f"{store.layout.namespace}{key}" for key in ("attempts", "suspect")))
        == 0
    )
    store.publish("q", b"letter")
    let_die(2)
    assert store.count_dead() == 0
