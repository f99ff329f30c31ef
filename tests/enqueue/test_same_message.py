"""What is sent past Celery is, field by field, the message that Celery would have sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from celery.app.task import Context
from celery.utils.saferepr import saferepr
from flask import Flask, g
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kombu import Exchange, Queue
from post_office import Post, celery_path, in_place, without_ids

from flask_celeriac import Celeriac
from flask_celeriac.enqueue.encoding import BRIEF_SIZE, brief_args, brief_kwargs

NOW = datetime(2026, 11, 25, 12, 0, 0, 123456, tzinfo=UTC)
#: Of tasks, as they are declared.
DECLARED: list[dict[str, Any]] = [
    {},
    {"ignore_result": True},
    {"time_limit": 30, "soft_time_limit": 20.5},
    {"priority": 3},
    {"queue": "slow", "serializer": "json"},
    {"typing": False, "track_started": True, "trail": False},
]

texts = st.text(max_size=20) | st.sampled_from(["%s %(id)s", "it's", "\\", '"', "ü\u2028", "\x00"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | st.sampled_from(["a" * 511, "b" * 512, "c'" * 600, 10**400])
    | st.sampled_from([NOW, NOW.date(), NOW.time(), UUID(int=7), Decimal("1.50"), b"bytes"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
arguments = st.lists(values, max_size=4).map(tuple) | st.lists(values, max_size=2) | st.none()
named = st.dictionaries(texts, values, max_size=3) | st.none()
whens = (
    st.just({})
    | st.sampled_from([0, 1, 2.5, 86400 * 400, None]).map(lambda s: {"countdown": s})
    | st.sampled_from(
        [
            NOW + timedelta(days=900),
            (NOW + timedelta(days=900)).replace(tzinfo=None),
            (NOW + timedelta(days=900)).astimezone(timezone(timedelta(hours=-3))),
            datetime(2020, 1, 1, tzinfo=UTC),
            None,
        ]
    ).map(lambda eta: {"eta": eta})
)
options = st.builds(
    lambda when, others: {**when, **others},
    whens,
    st.fixed_dictionaries(
        {},
        optional={
            "task_id": st.sampled_from(["chosen", "per%cent", "ü"]),
            "queue": st.sampled_from(["celery", "slow", "fresh", "alias", None]),
            "priority": st.sampled_from([0, 3, 5, 9, None]),
            "ignore_result": st.booleans(),
            "add_to_parent": st.booleans(),
        },
    ),
)
#: Where it is sent: outside all, in a request with what that carries, in a task.
places = st.sampled_from(["script", "request", "task", "task of a chain"])


@pytest.fixture
def app(celeriac: Celeriac, make_app: Callable[..., Flask]) -> Flask:
    for number, declared in enumerate(DECLARED):

        @celeriac.task(name=f"task-{number}", **{"typing": False, **declared})
        def run(*_: Any, **__: Any) -> None: ...

    @celeriac.task(name="parent")
    def parent() -> None: ...

    celeriac.carry("user", dump=lambda: g.get("user"), load=lambda value: None)
    app = make_app(CELERY={"task_create_missing_queues": True})
    celery = app.extensions["celery"]
    celery.amqp.queues.add(Queue("long-name", Exchange("long-name"), "long-name", alias="alias"))
    celery.now = lambda: NOW
    return app


def sent(app: Flask, post: Post, place: str, act: Callable[[], Any]) -> tuple[Any, ...]:
    """Return the message, what the caller got, and what its parent knows of it."""
    with ExitStack() as stack:
        request: Context | None = in_place(app, place, stack, "parent")
        result = act()
        children = [child.id for child in request.children or ()] if request else []
    [message] = post.take()
    return message, result, children


@given(
    number=st.sampled_from(range(len(DECLARED))),
    args=arguments,
    kwargs=named,
    options=options,
    place=places,
)
@example(number=0, args=(1,), kwargs={}, options={}, place="request")
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_it_is_the_message_that_celery_sends(
    app: Flask,
    post: Post,
    number: int,
    args: Any,
    kwargs: Any,
    options: dict[str, Any],
    place: str,
) -> None:
    task = app.extensions["celery"].tasks[f"task-{number}"]

    def act() -> Any:
        return task.apply_async(args, kwargs, **options)

    post.paths()
    ours, our_result, our_children = sent(app, post, place, act)
    assert post.paths() == {"publish_many"}
    with celery_path():
        theirs, their_result, their_children = sent(app, post, place, act)
    assert post.paths() == {"publish"}

    assert without_ids(ours, our_result.id) == without_ids(theirs, their_result.id)
    assert ours["headers"]["parent_id"] == ("this" if place.startswith("task") else None)
    assert ("celeriac" in ours["headers"]) == (place == "request")
    assert list(ours["headers"]) == list(theirs["headers"])
    assert list(ours["properties"]) == list(theirs["properties"])
    assert type(our_result) is type(their_result)
    assert our_result.ignored == their_result.ignored
    assert our_result.backend is their_result.backend
    assert len(our_children) == len(their_children)
    assert our_children in ([], [our_result.id])


@given(args=st.lists(values, max_size=6).map(tuple), kwargs=named, levels=st.integers(1, 4))
@settings(max_examples=300)
def test_arguments_are_shown_as_celery_shows_them(args: Any, kwargs: Any, levels: int) -> None:
    assert brief_args(args, levels) == saferepr(args, BRIEF_SIZE, maxlevels=levels)
    assert brief_kwargs(kwargs or {}, levels) == saferepr(
        kwargs or {}, BRIEF_SIZE, maxlevels=levels
    )


@pytest.fixture(autouse=True)
def _no_leftover(post: Post) -> Iterator[None]:
    yield
    assert post.take() == []
