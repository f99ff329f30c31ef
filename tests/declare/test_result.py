"""Waiting for results ends."""

from __future__ import annotations

import pickle
import time

import pytest
from celery import exceptions, group

from flask_celeriac.errors import ResultBackendMissing, ResultBackendUnavailable, ResultTimeout


@pytest.fixture
def sow(celeriac):
    @celeriac.task
    def sow() -> int:
        return 1

    return sow


def test_a_wait_without_result_is_both_timeout_errors(celeriac, make_app, sow):
    app = make_app(celeriac=celeriac)
    result = sow.delay()
    for kind in (exceptions.TimeoutError, TimeoutError, ResultTimeout):
        with pytest.raises(kind, match=r"after 0\.1 s"):
            result.get(timeout=0.1)
    assert app


def test_a_group_without_result_is_both_timeout_errors(celeriac, make_app, sow):
    app = make_app(celeriac=celeriac)
    with app.app_context():
        result = group(sow.s(), sow.s()).delay()
        with pytest.raises(ResultTimeout):
            result.get(timeout=0.1)


def test_inside_a_request_a_wait_without_timeout_has_a_deadline(celeriac, make_app, sow):
    app = make_app(celeriac=celeriac, CELERIAC_RESULT_TIMEOUT=0.2)
    with app.test_request_context("/"):
        began = time.monotonic()
        with pytest.raises(ResultTimeout, match=r"after 0\.2 s"):
            sow.delay().get()
    assert time.monotonic() - began < 5


def test_a_result_without_backend_says_what_to_set(celeriac, make_app, sow):
    app = make_app(celeriac=celeriac, CELERY_RESULT_BACKEND=None)
    with pytest.raises(ResultBackendMissing, match="CELERY_RESULT_BACKEND"):
        sow.delay().get(timeout=1)
    assert app


@pytest.mark.parametrize("ask", ["state", "result", "ready", "successful", "failed"])
def test_asking_how_a_task_is_without_backend_says_what_to_set(celeriac, make_app, sow, ask):
    app = make_app(celeriac=celeriac, CELERY_RESULT_BACKEND=None)
    result = sow.delay()
    with pytest.raises(ResultBackendMissing, match="CELERY_RESULT_BACKEND"):
        getattr(result, ask)()
    assert app


def test_asking_how_a_task_is_while_the_backend_is_away_says_so(celeriac, make_app, sow):
    app = make_app(celeriac=celeriac, CELERY_RESULT_BACKEND="redis://127.0.0.1:1/0")
    with pytest.raises(ResultBackendUnavailable, match="does not answer"):
        sow.AsyncResult("some id").ready()
    assert app


def test_a_task_that_raises_celerys_timeout_error_is_not_taken_for_a_late_one(
    celeriac, make_app, run_worker
):
    @celeriac.task
    def too_late() -> None:
        raise exceptions.TimeoutError("mine")

    app = make_app(celeriac=celeriac)
    with run_worker(app):
        with pytest.raises(exceptions.TimeoutError, match="mine") as raised:
            too_late.delay().get(timeout=20)
        assert not isinstance(raised.value, ResultTimeout)


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(ResultTimeout("late")))
    assert isinstance(error, ResultTimeout)
    assert str(error) == "late"
