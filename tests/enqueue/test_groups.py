"""A group of plain members is published in batches, with the messages that Celery sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from celery import chord, group
from flask import Flask
from kombu.exceptions import OperationalError
from post_office import Message, Post, celery_path, in_place, without_ids

from flask_celeriac import Celeriac
from flask_celeriac.declare import grouped
from flask_celeriac.errors import ArgumentsNotJSON
from flask_celeriac.transport.redis.store import MessageStore

MakeApp = Callable[..., Flask]


@pytest.fixture
def log(celeriac: Celeriac) -> Any:
    @celeriac.task(name="log", ignore_result=True, priority=3)
    def log(*_: object) -> None: ...

    return log


@pytest.fixture(autouse=True)
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still unless a test says so."""
    now = [1000.0]
    monkeypatch.setattr(grouped, "monotonic", lambda: now[0])
    return now


def shown(messages: list[Message]) -> list[str]:
    return [message["headers"]["argsrepr"] for message in messages]


def test_a_group_is_one_round_trip(app: Flask, add: Any, post: Post) -> None:
    result = group(add.s(n) for n in range(20)).delay()
    assert post.scripts == [("publish_many", 20)]
    messages = post.take()
    assert shown(messages) == [f"({n},)" for n in range(20)]
    assert [message["headers"]["id"] for message in messages] == [one.id for one in result]
    assert {message["headers"]["group"] for message in messages} == {result.id}
    assert app


@pytest.mark.parametrize("place", ["script", "request", "task", "task of a chain"])
def test_the_messages_are_those_that_celery_sends(
    app: Flask, add: Any, log: Any, post: Post, place: str
) -> None:
    def members() -> Any:
        return group(add.s(1), add.si(2, y=3).set(queue="celery"), log.si("a"), group(add.s(4)))

    def sent() -> tuple[dict[str, Message], list[str], str]:
        with ExitStack() as stack:
            in_place(app, place, stack, "add")
            result = members().apply_async(args=(9,), priority=6)
        found = {message["headers"]["id"]: message for message in post.take()}
        assert len(found) == 4
        return found, [one.id for one in result], result.id

    ours, our_ids, our_group = sent()
    assert post.paths() == {"publish_many"}
    with celery_path():
        theirs, their_ids, their_group = sent()
    assert post.paths() == {"publish"}
    for one, other in zip(our_ids, their_ids, strict=True):
        assert plain(ours[one], one, our_group) == plain(theirs[other], other, their_group)


def plain(message: Message, id_: str, group_id: str) -> Message:
    found = without_ids(message, id_)
    assert found["headers"].pop("group") == group_id
    return found


def test_a_long_group_is_sent_in_batches_of_500(app: Flask, add: Any, post: Post) -> None:
    group(add.s(n) for n in range(1001)).delay()
    assert post.scripts == [("publish_many", 500), ("publish_many", 500), ("publish_many", 1)]
    assert shown(post.take()) == [f"({n},)" for n in range(1001)]
    assert app


def test_a_slow_generator_does_not_hold_its_members_up(
    app: Flask, add: Any, post: Post, slow_clock: list[float]
) -> None:
    def slowly() -> Iterator[Any]:
        for number in range(6):
            slow_clock[0] += 0.06
            yield add.s(number)

    group(slowly()).delay()
    assert len(post.scripts) > 1
    assert shown(post.take()) == [f"({n},)" for n in range(6)]
    assert app


def test_members_that_need_celery_keep_their_place(app: Flask, add: Any, post: Post) -> None:
    group(add.s(0), add.s(1).set(expires=60), add.s(2), add.s(3)).delay()
    assert post.scripts == [("publish_many", 1), ("publish", 1), ("publish_many", 2)]
    assert shown(post.take()) == ["(0,)", "(1,)", "(2,)", "(3,)"]
    assert app


def test_members_of_a_chord_are_sent_by_celery(app: Flask, add: Any, log: Any, post: Post) -> None:
    chord([add.s(1), add.s(2)])(log.s())
    assert post.paths() == {"publish"}
    assert all(message["headers"]["group"] for message in post.take())
    assert app


def test_a_bad_member_is_an_error_and_those_before_it_are_not_sent(
    app: Flask, add: Any, post: Post
) -> None:
    for bad, error in ((add.s(object()), ArgumentsNotJSON), (add.s(1, z=2), TypeError)):
        with pytest.raises(error):
            group(add.s(0), bad, add.s(2)).delay()
        assert post.scripts == []
    group(add.s(3)).delay()
    assert shown(post.take()) == ["(3,)"]
    assert app


def test_a_group_whose_answer_was_lost_is_repeated_without_a_second_message(
    app: Flask, add: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_many, answers = MessageStore.publish_many, []

    def publish(self: MessageStore, *args: Any, **options: Any) -> bool:
        answers.append(publish_many(self, *args, **options))
        if len(answers) == 1:
            raise redis.ConnectionError("the answer was lost")
        return answers[-1]

    monkeypatch.setattr(MessageStore, "publish_many", publish)
    group(add.s(n) for n in range(5)).delay()
    assert answers == [True, False]
    assert shown(post.take()) == [f"({n},)" for n in range(5)]
    assert app


def test_a_broker_that_fails_is_an_error(
    app: Flask, add: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> bool:
        raise redis.ConnectionError("gone")

    add.delay(0)
    with monkeypatch.context() as patched, pytest.raises(OperationalError, match="gone"):
        patched.setattr(MessageStore, "publish_many", fail)
        group(add.s(1), add.s(2)).delay()
    group(add.s(3), add.s(4)).delay()
    assert shown(post.take()) == ["(0,)", "(3,)", "(4,)"]
    assert app


def test_a_group_needs_one_connection(make_app: MakeApp, add: Any, post: Post) -> None:
    app = make_app(CELERY={"broker_pool_limit": 1})
    add.delay(0)
    app.extensions["celery"].conf.update(broker_pool_acquire_timeout=0.1)
    group(add.s(1), add.s(2)).delay()
    assert post.scripts[-1] == ("publish_many", 2)
    post.take()


def test_a_task_that_is_sent_with_a_producer_goes_at_once(app: Flask, add: Any, post: Post) -> None:
    with app.extensions["celery"].producer_or_acquire() as producer:
        add.apply_async((1,), producer=producer)
        assert shown(post.take()) == ["(1,)"]


def test_an_empty_group_sends_nothing(app: Flask, post: Post) -> None:
    with app.app_context():
        group([]).apply_async()
    assert post.scripts == []
