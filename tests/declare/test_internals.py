"""Pins what we use of Celery beyond its public interface: these fail when Celery changes it."""

from __future__ import annotations

import inspect

import pytest
from celery import Celery, _state
from celery.app.registry import TaskRegistry
from celery.app.trace import build_tracer
from celery.local import Proxy
from flask import Flask

from flask_celeriac import Celeriac
from flask_celeriac.declare.internals import (
    explicit_configuration,
    forget_current,
    guard_settings,
    registry_of,
)


@pytest.fixture
def celery():
    with Celery("pinned", broker="memory://", set_as_current=False) as app:
        yield app


def test_the_registry_is_had_without_finalising(celery):
    registry = registry_of(celery)
    assert isinstance(registry, TaskRegistry)
    assert not celery.finalized
    assert celery.tasks is registry


def test_decorated_tasks_enter_the_registry_by_setitem(celery):
    seen = []

    class Gate(TaskRegistry):
        def __setitem__(self, name, task):
            seen.append((name, type(task).__bound__))
            super().__setitem__(name, task)

    registry_of(celery).__class__ = Gate

    @celery.task(name="pinned.task", shared=False, lazy=False)
    def task() -> None: ...

    # Not yet bound: what the gate sets on the class is seen by Celery's own binding.
    assert ("pinned.task", False) in seen


def test_the_settings_of_a_celery_app_show_names_and_no_passwords(celery):
    guard_settings(celery)
    assert not celery.configured
    celery.conf.update(result_backend="redis://:canary@h/0", broker_password="canary")
    for _ in ("first read", "read"):
        assert "canary" not in repr(celery.conf)
        assert "broker_password" in repr(celery.conf)
        assert celery.conf.broker_password == "canary"


def test_a_celery_object_made_by_the_user_is_no_longer_current():
    before = _state._tls.current_app
    mine = Celery("mine")
    try:
        assert _state._tls.current_app is mine
        forget_current(mine)
        assert _state._tls.current_app is None
    finally:
        _state._set_current_app(before)
        mine.close()


def test_the_configuration_is_read_without_configuring(celery):
    celery.conf.update(task_default_queue="own")
    assert explicit_configuration(celery) == {
        "broker_url": "memory://",
        "task_default_queue": "own",
    }
    assert not celery.configured


def test_the_default_app_may_be_a_proxy_that_decides_at_each_use(celery):
    before, current = _state.default_app, _state._tls.current_app
    try:
        _state._set_current_app(None)
        _state.set_default_app(Proxy(lambda: celery))
        assert _state.get_current_app().main == "pinned"
    finally:
        _state.set_default_app(before)
        _state._set_current_app(current)


def test_the_tracer_calls_on_task_init_after_the_request_and_inside_its_error_handling():
    source = inspect.getsource(build_tracer)
    order = ["push_request(task_request)", "loader_task_init(uuid, task)", "fun(*args, **kwargs)"]
    places = [source.index(step) for step in order]
    assert places == sorted(places)
    assert source.index("send_postrun(") > places[-1]


def test_urls_of_the_environment_do_not_go_past_what_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "redis://127.0.0.1:1/0"
    for name in ("BROKER_URL", "BROKER_READ_URL", "BROKER_WRITE_URL", "RESULT_BACKEND"):
        monkeypatch.setenv(f"CELERY_{name}", url)
    app = Flask("environment")
    app.config.update(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
    conf = Celeriac(app).celery.conf
    read = conf.broker_url, conf.broker_read_url, conf.broker_write_url, conf.result_backend
    assert read == (f"celeriac-{url}",) * 4
