"""Many runs are sent as each alone would be: all checked before, each once, in their order."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from celery import shared_task
from flask import Flask, g
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu import serialization
from kombu.exceptions import OperationalError
from post_office import Post, celery_path, without_ids

from flask_celeriac import AsyncResult, Celeriac
from flask_celeriac.errors import ArgumentsNotJSON, NotAllSent
from flask_celeriac.transport.redis.store import MessageStore

MOMENT = datetime(2100, 1, 1, tzinfo=UTC)

MakeApp = Callable[..., Flask]


def test_each_call_is_a_message_and_has_a_result(app: Flask, add: Any, post: Post) -> None:
    results = add.enqueue_many([((1,), {}), ([2], {"y": 3}), (None, {"x": 4}), add.s(5, y=6)])
    messages = post.take()
    assert [message["headers"]["argsrepr"] for message in messages] == ["(1,)", "[2]", "()", "(5,)"]
    assert [message["headers"]["id"] for message in messages] == [one.id for one in results]
    assert post.scripts == [("publish_many", 4)]
    assert all(isinstance(result, AsyncResult) for result in results)
    assert len({message["properties"]["delivery_tag"] for message in messages}) == 4
    assert app


values = st.integers() | st.text(max_size=5) | st.lists(st.none() | st.floats(allow_nan=False))
many_options = st.fixed_dictionaries(
    {},
    optional={
        "countdown": st.sampled_from([0, 5, 86400]),
        "priority": st.sampled_from([None, 0, 3, 9]),
        "ignore_result": st.booleans(),
    },
)


@given(
    calls=st.lists(
        st.tuples(st.tuples(values), st.dictionaries(st.just("y"), st.integers(), max_size=1)),
        min_size=1,
        max_size=4,
    ),
    options=many_options,
)
@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_messages_are_those_that_celery_sends(
    app: Flask, add: Any, post: Post, calls: Any, options: Any
) -> None:
    app.extensions["celery"].now = lambda: MOMENT
    with app.app_context():
        g.request_id = "of-this-request"
        results = add.enqueue_many(calls, **options)
        ours = post.take()
        assert post.paths() == {"publish_many"}
        with celery_path():
            theirs_results = [add.apply_async(*call, **options) for call in calls]
        theirs = post.take()
        assert post.paths() == {"publish"}
    by_id = {message["headers"]["id"]: message for message in ours + theirs}
    for one, other in zip(results, theirs_results, strict=True):
        assert without_ids(by_id[one.id], one.id) == without_ids(by_id[other.id], other.id)
        assert one.ignored == other.ignored


def test_a_round_trip_takes_500(app: Flask, add: Any, post: Post) -> None:
    results = add.enqueue_many(((n,), {}) for n in range(1201))
    assert post.scripts == [("publish_many", 500), ("publish_many", 500), ("publish_many", 201)]
    messages = post.take()
    assert [m["headers"]["argsrepr"] for m in messages] == [f"({n},)" for n in range(1201)]
    assert [m["headers"]["id"] for m in messages] == list(results.ids)
    assert app


def test_nothing_is_sent_for_no_calls(app: Flask, add: Any, post: Post) -> None:
    assert list(add.enqueue_many([])) == []
    assert post.scripts == []
    assert app


def test_results_are_a_sequence(app: Flask, add: Any, post: Post) -> None:
    results = add.enqueue_many([((n,), {}) for n in range(3)], ignore_result=True)
    assert len(results) == 3
    assert results[-1].id == results.ids[2]
    assert [one.id for one in results[1:]] == list(results.ids[1:])
    assert [one.ignored for one in results] == [True] * 3
    assert results[0] in results
    assert repr(results) == "<3 AsyncResults>"
    post.take()
    assert app


@pytest.mark.parametrize("path", ["direct", "celery"])
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ((1, 2), TypeError, "Call 1 of 'add' is a tuple of int, int: a call is a pair"),
        (((1,),), TypeError, "a call is a pair"),
        (((1,), {}, {}), TypeError, "a call is a pair"),
        (("ab", {}), TypeError, "a call is a pair"),
        (((1,), [1]), TypeError, "a call is a pair"),
        (7, TypeError, "Call 1 of 'add' is of type int: "),
        (((), {}), TypeError, r"Call 1 of 'add': .*missing 1 required.* Nothing was sent"),
        (((1,), {"z": 1}), TypeError, "Call 1 of 'add': .*unexpected keyword argument 'z'"),
        (((object(),), {}), ArgumentsNotJSON, r"call 1 of 'add'.*object.*Nothing was sent"),
    ],
)
def test_a_bad_call_is_named_before_anything_is_sent(
    app: Flask, add: Any, post: Post, path: str, call: Any, error: Any, words: str
) -> None:
    calls = [((0,), {}), call, ((2,), {})]
    with pytest.raises(error, match=words):
        if path == "direct":
            add.enqueue_many(calls)
        else:
            with celery_path():
                add.enqueue_many(calls)
    assert post.scripts == []
    assert app


def test_a_signature_must_be_of_this_task_and_plain(
    celeriac: Celeriac, app: Flask, add: Any, post: Post
) -> None:
    @celeriac.task(name="other")
    def other() -> None: ...

    for bad, words in [
        (other.s(), r"signature of 'other'.*Use a group"),
        (add.s(1) | add.s(2), r"celery\.chain"),
        (add.s(1).set(countdown=5), r"with options \(countdown\)"),
        (add.s(1).on_error(other.s()), r"with options \(link_error\)"),
    ]:
        with pytest.raises(ValueError, match=words):
            add.enqueue_many([add.s(0), bad])
    assert post.scripts == []


@pytest.mark.parametrize("name", ["task_id", "group_id", "group_index", "chord"])
def test_options_that_calls_can_not_share_are_refused(
    app: Flask, add: Any, post: Post, name: str
) -> None:
    with pytest.raises(TypeError, match=f"takes no '{name}'"):
        add.enqueue_many([((1,), {})], **{name: "x"})
    assert post.scripts == []


def failing(monkeypatch: pytest.MonkeyPatch, *, batch: int, arrives: bool) -> list[bool]:
    """Let one batch fail, each time it is tried or (when it *arrives*) the first time."""
    publish_many, answers = MessageStore.publish_many, []
    number = 0

    def publish(self: MessageStore, queue: str, bodies: Any, **options: Any) -> bool:
        nonlocal number
        number += 1
        if number < batch or (arrives and number > batch):
            answers.append(publish_many(self, queue, bodies, **options))
            return answers[-1]
        if arrives:
            answers.append(publish_many(self, queue, bodies, **options))
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(MessageStore, "publish_many", publish)
    return answers


def test_a_batch_whose_answer_was_lost_is_repeated_without_a_second_message(
    app: Flask, add: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = failing(monkeypatch, batch=2, arrives=True)
    results = add.enqueue_many(((n,), {}) for n in range(1100))
    assert answers == [True, True, False, True]
    assert [m["headers"]["id"] for m in post.take()] == list(results.ids)
    assert app


def test_when_the_broker_fails_it_is_told_what_was_sent(
    app: Flask, add: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, batch=2, arrives=False)
    with pytest.raises(NotAllSent, match=r"Of 1100 calls of 'add' the first 500 .*next 500") as e:
        add.enqueue_many(((n,), {}) for n in range(1100))
    assert isinstance(e.value, OperationalError)
    assert [m["headers"]["id"] for m in post.take()] == list(e.value.sent_ids)
    assert len(e.value.uncertain_ids) == 500
    again = pickle.loads(pickle.dumps(e.value))
    assert (again.sent_ids, str(again)) == (e.value.sent_ids, str(e.value))
    assert app


def test_by_celerys_path_it_is_told_too(
    app: Flask, add: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish, calls = MessageStore.publish, []

    def fail_later(self: MessageStore, *args: Any, **options: Any) -> bool:
        calls.append(args)
        if len(calls) > 2:
            raise redis.ConnectionError("gone")
        return publish(self, *args, **options)

    monkeypatch.setattr(MessageStore, "publish", fail_later)
    with celery_path(), pytest.raises(NotAllSent) as raised:
        add.enqueue_many(((n,), {}) for n in range(4))
    assert [m["headers"]["id"] for m in post.take()] == list(raised.value.sent_ids)
    assert (len(raised.value.sent_ids), len(raised.value.uncertain_ids)) == (2, 1)
    assert app


def test_who_listens_hears_of_every_task(app: Flask, add: Any, post: Post) -> None:
    with celery_path() as heard:
        results = add.enqueue_many([((n,), {}) for n in range(3)])
    assert heard == ["add"] * 3
    assert [m["headers"]["id"] for m in post.take()] == list(results.ids)
    assert post.paths() == {"publish"}
    assert app


def test_options_out_of_the_ordinary_are_celerys(app: Flask, add: Any, post: Post) -> None:
    add.enqueue_many([((1,), {}), ((2,), {})], expires=60, headers={"tenant": "a"})
    messages = post.take()
    assert [message["headers"]["tenant"] for message in messages] == ["a", "a"]
    assert all(message["headers"]["expires"] for message in messages)
    assert app


def test_eager_tasks_run_here(make_app: MakeApp, add: Any, post: Post) -> None:
    make_app(CELERY_TASK_ALWAYS_EAGER=True)
    assert [one.get() for one in add.enqueue_many([((1,), {}), ((2,), {})])] == [1, 2]
    assert post.scripts == []


def test_all_tasks_of_the_app_have_it(app: Flask, post: Post) -> None:
    @shared_task(name="shared")
    def shared(x: int) -> int:
        return x

    with app.app_context():
        assert len(shared.enqueue_many([((1,), {})])) == 1
    assert post.paths() == {"publish_many"}
    post.take()


def test_another_serializer_of_the_name_json_is_used(app: Flask, add: Any, post: Post) -> None:
    def dumps(value: Any) -> str:
        return original[0](value).replace(" ", "")

    original = serialization.registry._encoders["json"].encoder, serialization.registry._decoders
    decode = original[1]["application/json"]
    serialization.register("json", dumps, decode, "application/json", "utf-8")
    try:
        add.enqueue_many([((1,), {})])
        add.delay(1)
    finally:
        serialization.register("json", original[0], decode, "application/json", "utf-8")
    one, other = post.take()
    assert one["body"] == other["body"]
    assert " " not in without_ids(one, "")["body"]
    assert app
