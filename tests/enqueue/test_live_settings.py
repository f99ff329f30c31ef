"""Settings that are looked at for each message are seen as they are, however they are changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from flask_celeriac.enqueue.live_settings import NAMES, LiveSettings


@pytest.fixture
def celery() -> Celery:
    return Celery("live", set_as_current=False)


def by_attribute(celery: Celery, value: Any) -> None:
    celery.conf.task_always_eager = value


def by_update(celery: Celery, value: Any) -> None:
    celery.conf.update(task_always_eager=value)


def by_old_name(celery: Celery, value: Any) -> None:
    celery.conf["CELERY_ALWAYS_EAGER"] = value


@pytest.mark.parametrize("change", [by_attribute, by_update, by_old_name])
def test_a_change_is_seen(celery: Celery, change: Callable[[Celery, Any], None]) -> None:
    live = LiveSettings(celery)
    for value in (False, True, False, True):
        change(celery, value)
        assert live()["task_always_eager"] is celery.conf.task_always_eager


def test_what_nobody_changed_is_celerys_default(celery: Celery) -> None:
    live = LiveSettings(celery)
    assert live() == {name: celery.conf[name] for name in NAMES}


def test_a_setting_that_is_taken_back_is_the_default_again(celery: Celery) -> None:
    live = LiveSettings(celery)
    celery.conf.task_default_queue = "mine"
    assert live()["task_default_queue"] == "mine"
    del celery.conf.changes["task_default_queue"]
    assert live()["task_default_queue"] == "celery"
