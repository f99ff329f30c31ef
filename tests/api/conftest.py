"""Fixtures for what comes by HTTP: a shop, and a client of it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from http_shop import made, make

from flask_celeriac import Celeriac


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close what a test has made: others count connections."""
    before = len(made)
    yield
    while len(made) > before:
        made.pop().extensions["celery"].close()
    gc.collect()


@pytest.fixture
def shop_config(redis_url: str) -> dict[str, object]:
    """The configuration of the shop."""
    return {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url}


@pytest.fixture
def shop(shop_config: dict[str, object]) -> tuple[Celeriac, Flask]:
    """The extension, and the application."""
    return make(**shop_config)


@pytest.fixture
def celeriac(shop: tuple[Celeriac, Flask]) -> Celeriac:
    return shop[0]


@pytest.fixture
def app(shop: tuple[Celeriac, Flask]) -> Flask:
    return shop[1]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def sent(celeriac: Celeriac, app: Flask) -> Callable[[str], list[dict[str, object]]]:
    """A function that takes the messages out of a queue and returns their keyword arguments."""

    def take(queue: str = "celery") -> list[dict[str, object]]:
        found = []
        with celeriac.celery.connection_for_read() as connection:
            channel = connection.default_channel
            while (message := channel.basic_get(queue, no_ack=True)) is not None:
                found.append(message.decode()[1])
        return found

    return take
