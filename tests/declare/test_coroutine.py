"""`async def` tasks."""

from __future__ import annotations

import asyncio
import sys
import types

import pytest
from celery import shared_task
from flask import current_app

from flask_celeriac.errors import AsyncUnsupported


@pytest.fixture
def app(make_eager_app, celeriac):
    return make_eager_app(celeriac=celeriac)


def test_a_coroutine_function_runs_in_the_app_context(app, celeriac):
    @celeriac.task
    async def where() -> str:
        await asyncio.sleep(0)
        return current_app.name

    assert where.delay().get() == "garden"


def test_runs_in_one_thread_share_one_loop(app, celeriac):
    @celeriac.task(bind=True)
    async def loop_of(self) -> int:
        return id(asyncio.get_running_loop())

    assert loop_of.delay().get() == loop_of.delay().get()


def test_called_directly_it_stays_a_coroutine_function(app, celeriac):
    @celeriac.task
    async def double(x: int) -> int:
        return 2 * x

    assert asyncio.run(double(4)) == 8


def test_shared_coroutine_functions_work_too(app):
    @shared_task(name="test_coroutine.shared")
    async def shared(x: int) -> int:
        return x + 1

    with app.app_context():
        assert shared.delay(1).get() == 2


def test_retries_and_failures_are_those_of_a_task(app, celeriac):
    @celeriac.task(autoretry_for=(KeyError,), max_retries=1, default_retry_delay=0, bind=True)
    async def flaky(self) -> int:
        if self.request.retries == 0:
            raise KeyError("once")
        return self.request.retries

    assert flaky.delay().get() == 1


def test_an_eager_run_inside_a_running_loop_works(app, celeriac):
    @celeriac.task
    async def where() -> str:
        return current_app.name

    async def view() -> str:
        return where.delay().get()

    assert asyncio.run(view()) == "garden"


def test_wrong_arguments_are_refused_when_sending(app, celeriac):
    @celeriac.task
    async def double(x: int) -> int:
        return 2 * x

    with pytest.raises(TypeError, match="double"):
        double.delay()


def test_under_gevent_there_is_a_clear_error(app, celeriac, monkeypatch):
    @celeriac.task
    async def double(x: int) -> int:
        return 2 * x

    patched = types.SimpleNamespace(is_module_patched=lambda name: True)
    monkeypatch.setitem(sys.modules, "gevent.monkey", patched)
    with pytest.raises(AsyncUnsupported, match=r"double.*--pool prefork"):
        double.delay(1).get()
