"""What is unusual goes by Celery's own path, so that nobody who looks there is passed by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery, group, signals
from celery import Task as CeleryTask
from flask import Flask
from kombu import Connection, Producer, Queue
from kombu.pools import ProducerPool
from post_office import Post

from flask_celeriac import Celeriac

MakeApp = Callable[..., Flask]


class SlowTask(CeleryTask):  # type: ignore[type-arg]
    """A base of the user's own that has a say in what is sent."""

    abstract = True

    def apply_async(self, *args: Any, **options: Any) -> Any:
        return super().apply_async(*args, **{**options, "countdown": 60})


def routed(name: str, *_: Any, **__: Any) -> dict[str, Any]:
    return {"queue": "celery", "priority": 6}


def path_of(post: Post, act: Callable[[], Any]) -> str:
    """Return which script brought the one message that *act* sends."""
    act()
    assert len(post.take()) == 1
    [path] = post.paths()
    return path


def test_a_plain_task_goes_past_celery(app: Flask, add: Any, post: Post) -> None:
    assert path_of(post, lambda: add.delay(1)) == "publish_many"
    assert path_of(post, lambda: add.apply_async((1,), {"y": 2})) == "publish_many"
    assert path_of(post, lambda: add.s(1).delay()) == "publish_many"
    assert app


@pytest.mark.parametrize(
    "options",
    [
        {"expires": 60},
        {"link": "add"},
        {"link_error": "add"},
        {"headers": {"tenant": "a"}},
        {"shadow": "other"},
        {"serializer": "json"},
        {"compression": "gzip"},
        {"exchange": "celery"},
        {"routing_key": "celery"},
        {"retry": False},
        {"retry_policy": {"max_retries": 1}},
        {"time_limit": 5},
        {"reply_to": "me"},
        {"root_id": "root"},
        {"parent_id": "parent"},
        {"group_id": "group"},
        {"stamped_headers": ["stamp"], "stamp": 1},
        {"delivery_mode": 1},
        {"queue": Queue("celery", routing_key="celery")},
        {"countdown": timedelta(seconds=1).total_seconds, "eta": None},
        {"priority": 3.0},
        {"add_to_parent": False, "tenant": "a"},
    ],
    ids=lambda options: "-".join(options),
)
def test_options_that_are_not_understood(
    app: Flask, add: Any, post: Post, options: dict[str, Any]
) -> None:
    options = {k: add.s(1) if v == "add" else v for k, v in options.items()}
    if callable(options.get("countdown")):
        options["countdown"] = -1
    assert path_of(post, lambda: add.apply_async((1,), **options)) == "publish"
    assert app


def test_a_producer_or_connection_of_the_callers_own(app: Flask, add: Any, post: Post) -> None:
    celery = app.extensions["celery"]
    with celery.producer_or_acquire() as producer:
        assert path_of(post, lambda: add.apply_async((1,), producer=producer)) == "publish"
    with celery.connection_for_write() as connection:
        assert path_of(post, lambda: add.apply_async((1,), connection=connection)) == "publish"


@pytest.mark.parametrize(
    "config",
    [
        {"task_routes": {"other": {"queue": "celery"}}},
        {"task_routes": (routed,)},
        {"task_compression": "gzip"},
        {"task_send_sent_event": True},
        {"task_protocol": 1},
        {"task_annotations": {"add": {"expires": 60}}},
    ],
    ids=lambda config: next(iter(config)),
)
def test_settings_that_celery_has_to_see_to(
    make_app: MakeApp, add: Any, post: Post, config: dict[str, Any]
) -> None:
    app = make_app(CELERY=config)
    add.delay(1)
    assert "publish_many" not in post.paths()
    assert app


def test_routes_that_are_set_later(app: Flask, add: Any, post: Post) -> None:
    assert path_of(post, lambda: add.delay(1)) == "publish_many"
    app.extensions["celery"].conf.update(task_routes=(routed,))
    add.delay(1)
    [message] = post.take()
    assert message["properties"]["priority"] == 6


def test_an_annotation_of_apply_async(make_app: MakeApp, add: Any, post: Post) -> None:
    seen = []

    def around(send: Any) -> Any:
        def sending(self: Any, *args: Any, **options: Any) -> Any:
            seen.append(args)
            return send(self, *args, **options)

        return sending

    make_app(CELERY={"task_annotations": {"add": {"@apply_async": around}}})
    add.delay(1)
    assert len(seen) == 1


def test_eager_tasks_run_here(make_app: MakeApp, add: Any, post: Post) -> None:
    make_app(CELERY_TASK_ALWAYS_EAGER=True)
    assert add.delay(1, y=2).get() == 3
    assert post.paths() == set()


@pytest.mark.parametrize(
    "declared",
    [
        {"serializer": "yaml"},
        {"compression": "gzip"},
        {"expires": 60},
        {"routing_key": "celery"},
        {"shadow_name": lambda *_: "other"},
        {"base": SlowTask},
    ],
    ids=lambda declared: next(iter(declared)),
)
def test_tasks_that_are_declared_with_more(
    celeriac: Celeriac, make_app: MakeApp, post: Post, declared: dict[str, Any]
) -> None:
    @celeriac.task(name="more", **declared)
    def more(x: int) -> int:
        return x

    make_app()
    assert path_of(post, lambda: more.delay(1)) == "publish"


@pytest.mark.parametrize(
    "signal", [signals.before_task_publish, signals.after_task_publish, signals.task_sent]
)
def test_who_listens_to_a_signal_hears_of_every_task(
    app: Flask, add: Any, post: Post, signal: Any
) -> None:
    heard: list[str] = []

    def listen(sender: Any = None, **_: Any) -> None:
        heard.append(sender)

    signal.connect(listen)
    try:
        assert path_of(post, lambda: add.delay(1)) == "publish"
    finally:
        signal.disconnect(listen)
    assert heard == ["add"]
    assert path_of(post, lambda: add.delay(1)) == "publish_many"
    assert app


@contextmanager
def wrapped(owner: Any, name: str) -> Iterator[list[str]]:
    """Put a function that tells of its calls in the place of another, as tracers do."""
    original, calls = getattr(owner, name), []

    def traced(*args: Any, **options: Any) -> Any:
        calls.append(name)
        return original(*args, **options)

    own = vars(owner).get(name)
    setattr(owner, name, traced)
    try:
        yield calls
    finally:
        delattr(owner, name) if own is None else setattr(owner, name, own)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (CeleryTask, "apply_async"),
        (Celery, "send_task"),
        (Celery, "producer_or_acquire"),
        (Producer, "publish"),
        (ProducerPool, "acquire"),
    ],
)
def test_who_replaces_a_function_of_celery_sees_every_task(
    app: Flask, add: Any, post: Post, owner: Any, name: str
) -> None:
    add.delay(0)
    post.take()
    post.paths()
    with wrapped(owner, name) as calls:
        assert path_of(post, lambda: add.delay(1)) == "publish"
    assert calls == [name]
    assert path_of(post, lambda: add.delay(1)) == "publish_many"


def test_who_replaces_apply_async_sees_every_one_of_many(app: Flask, add: Any, post: Post) -> None:
    with wrapped(CeleryTask, "apply_async") as calls:
        add.enqueue_many([((1,), {}), ((2,), {})])
        group(add.s(3), add.s(4)).delay()
    assert calls == ["apply_async"] * 4
    assert post.paths() == {"publish"}
    assert len(post.take()) == 4
    assert app


def test_a_base_with_its_own_apply_async_sees_every_one_of_many(
    celeriac: Celeriac, make_app: MakeApp, post: Post
) -> None:
    @celeriac.task(name="slow", base=SlowTask)
    def slow(x: int) -> None: ...

    make_app()
    slow.enqueue_many([((1,), {}), ((2,), {})])
    assert all(message["headers"]["eta"] for message in post.take())


@pytest.mark.parametrize("name", ["send_task", "amqp.send_task_message"])
def test_who_replaces_a_function_of_this_app_sees_every_task(
    app: Flask, add: Any, post: Post, name: str
) -> None:
    add.delay(0)
    post.take()
    post.paths()
    owner = app.extensions["celery"]
    owner = owner.amqp if "." in name else owner
    with wrapped(owner, name.rpartition(".")[2]) as calls:
        assert path_of(post, lambda: add.delay(1)) == "publish"
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("second", "path"), [("redis://127.0.0.1:1/0", "publish_many"), ("amqp://nowhere//", "publish")]
)
def test_a_failover_list_goes_past_celery_when_all_of_it_is_ours(
    make_app: MakeApp, redis_url: str, add: Any, post: Post, second: str, path: str
) -> None:
    # kombu's pools go by the first URL alone; no other test uses this one.
    first = redis_url.replace("127.0.0.1", "localhost")
    make_app(CELERY_BROKER_URL=[first, second])
    assert path_of(post, lambda: add.delay(1)) == path


def test_celerys_own_transport_and_backend_are_celerys(
    make_app: MakeApp, add: Any, post: Post
) -> None:
    app = make_app(CELERIAC_TRANSPORT="kombu")
    assert app.extensions["celery"].direct_sender is None
    add.delay(1)
    assert post.paths() == set()
    assert len(post.take()) == 1


def test_a_backend_that_listens_when_a_task_is_sent(
    make_app: MakeApp, add: Any, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    told: list[str] = []

    class Listening(type(app.extensions["celery"].backend)):  # type: ignore[misc]
        def on_task_call(self, producer: Any, task_id: str) -> Any:
            assert isinstance(producer, Producer)
            assert isinstance(producer.connection, Connection)
            told.append(task_id)

    backend = Listening(app=app.extensions["celery"], url=app.config["CELERY_RESULT_BACKEND"])
    monkeypatch.setattr(type(app.extensions["celery"]), "backend", backend)
    assert path_of(post, lambda: add.delay(1)) == "publish"
    assert len(told) == 1
