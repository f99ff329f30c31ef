"""Apps with a stock result backend and with ours, on one private database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from result_apps import MakeApp

from flask_celeriac.record.urls import ours


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def make_app(redis_url: str) -> Iterator[MakeApp]:
    """Make Celery apps: `make_app("ours", result_expires=5)`, `make_app("stock")`."""
    apps: list[Celery] = []

    def make(kind: str = "ours", **conf: Any) -> Celery:
        app = Celery("tests", set_as_current=False)
        url = ours(redis_url) if kind == "ours" else redis_url
        app.conf.update({"broker_url": redis_url, "result_backend": url, **conf})
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.close()


@pytest.fixture
def app(make_app: MakeApp) -> Celery:
    """An app whose results are kept by our backend."""
    return make_app()


@pytest.fixture(params=["stock", "ours"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both backends, for what must be the same."""
    return str(request.param)
