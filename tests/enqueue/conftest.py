"""One application, and what it sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from post_office import Post
from redis import Redis

from flask_celeriac import Celeriac
from flask_celeriac.transport.redis.store import MessageStore


@pytest.fixture
def post(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    publish, publish_many = MessageStore.publish, MessageStore.publish_many
    with Redis.from_url(redis_url) as client:
        found = Post(client)

        def one(self: MessageStore, *args: Any, **options: Any) -> bool:
            found.scripts.append(("publish", 1))
            return publish(self, *args, **options)

        def many(self: MessageStore, queue: str, bodies: Any, **options: Any) -> bool:
            found.scripts.append(("publish_many", len(bodies)))
            return publish_many(self, queue, bodies, **options)

        monkeypatch.setattr(MessageStore, "publish", one)
        monkeypatch.setattr(MessageStore, "publish_many", many)
        yield found


@pytest.fixture
def celeriac() -> Celeriac:
    return Celeriac()


@pytest.fixture
def make_app(redis_url: str, celeriac: Celeriac) -> Iterator[Callable[..., Flask]]:
    made: list[Flask] = []  # a test need not hold its app

    def make(**config: Any) -> Flask:
        app = Flask("post-office")
        app.testing = True
        app.config.update(CELERY_BROKER_URL=redis_url, CELERY_RESULT_BACKEND=redis_url)
        app.config.update(config)
        celeriac.init_app(app)
        made.append(app)
        return app

    yield make
    made.clear()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def add(celeriac: Celeriac) -> Any:
    @celeriac.task(name="add")
    def add(x: Any, y: int = 0) -> Any:
        return x + y

    return add
