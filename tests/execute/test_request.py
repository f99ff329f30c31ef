"""Our `Request` tells a task the same as Celery's does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context
from celery.worker.request import Request as CelerysRequest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu import Message

from flask_celeriac.execute.request import Request

_NAMES = ["celeriac", "x-tenant", "headers", "shadow", "group", "compression", "stamps", "queue"]
_values = st.one_of(st.none(), st.text(max_size=3), st.integers(), st.just({"a": 1}))


def made(kind: Any, headers: dict[str, Any], app: Celery) -> Any:
    message = Message(
        body='[[1], {"b": 2}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]',
        content_type="application/json",
        content_encoding="utf-8",
        headers={"id": "an-id", "task": "add", "lang": "py", "argsrepr": "(1,)", **headers},
        properties={"reply_to": "x"},
        delivery_info={"routing_key": "celery"},
    )
    return kind(message, app=app, task=app.tasks["add"], hostname="h")


@pytest.fixture(scope="module")
def app() -> Celery:
    app = Celery("requests", set_as_current=False)

    @app.task(name="add", shared=False)
    def add() -> None: ...

    app.finalize()
    return app


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(headers=st.dictionaries(st.sampled_from(_NAMES), _values))
def test_its_custom_headers_are_those_that_celery_finds(
    app: Celery, headers: dict[str, Any]
) -> None:
    theirs, ours = (
        Context(made(kind, headers, app).request_dict, args=(1,), called_directly=False)
        for kind in (CelerysRequest, Request)
    )
    assert vars(ours) == vars(theirs)


@pytest.fixture
def in_this_process() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Request, "is_run_here", True)
        yield


def test_what_goes_to_another_process_stays_encoded(
    app: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Request, "is_run_here", False)
    request = made(Request, {}, app)
    assert isinstance(request.body, (str, bytes))
    assert request.content_type == "application/json"


@pytest.mark.usefixtures("in_this_process")
def test_what_stays_in_this_process_is_decoded_once(app: Celery) -> None:
    request = made(Request, {}, app)
    args, kwargs, _ = request.body
    assert (args, kwargs, request.content_type) == ([1], {"b": 2}, None)
    assert args is request.args


@pytest.mark.parametrize(
    ("pool", "is_here"),
    [("solo", True), ("thread", True), ("gevent", True), ("prefork", False)],
)
def test_pools_are_known_by_their_names(pool: str, is_here: bool) -> None:
    from flask_celeriac.execute import pools

    kind = type("TaskPool", (), {"__module__": f"celery.concurrency.{pool}"})
    assert pools.runs_here(kind()) is is_here
