from __future__ import annotations

import gc
from contextlib import contextmanager

import pytest
from celery._state import _set_task_join_will_block
from celery.contrib.testing.worker import start_worker
from flask import Flask

from flask_celeriac import Celeriac


@pytest.fixture
def celeriac() -> Celeriac:
    return Celeriac()


@pytest.fixture
def make_app(redis_url):
    """Make Flask apps that are configured for tests; keyword arguments are configuration."""

    def make(name: str = "garden", *, celeriac: Celeriac | None = None, **config) -> Flask:
        app = Flask(name)
        app.testing = True
        app.config.update(CELERY_BROKER_URL=redis_url, CELERY_RESULT_BACKEND=redis_url)
        app.config.update(config)
        if celeriac is not None:
            celeriac.init_app(app)
        return app

    return make


@pytest.fixture
def wait_until_alone(wait_until):
    """Wait until the apps of earlier tests are gone.

    The thread that listens for results lets go of one, and so of its app, within a second.
    """

    def wait(celeriac: Celeriac) -> None:
        wait_until(lambda: gc.collect() >= 0 and not celeriac._declarations.states, 3.0)

    return wait


@pytest.fixture
def make_eager_app(make_app):
    def make(name: str = "garden", **options) -> Flask:
        return make_app(name, CELERY_TASK_ALWAYS_EAGER=True, **options)

    return make


@pytest.fixture
def run_worker():
    """A context manager that runs a worker for one Flask app in a thread of this process."""

    @contextmanager
    def run(app: Flask):
        with start_worker(app.extensions["celery"], perform_ping_check=False, loglevel="info"):
            yield
        # The worker's pool leaves this set for the whole process.
        _set_task_join_will_block(False)

    return run
