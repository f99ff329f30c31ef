"""Views whose task can not be sent: a problem within 2 s, unless the application says more."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from event_site import Site, make_site
from flask import Blueprint
from kombu.exceptions import OperationalError

from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.errors import QueueFull, ResultBackendUnavailable

NewSite = Callable[..., Site]

# The promise is 2 s; the rest is for a busy machine.
SOON_S = 3.0


@pytest.mark.parametrize("view", ["/mail", "/log"])
@pytest.mark.parametrize("lost", ["broker", "results", "both"])
@pytest.mark.parametrize("place", ["refusing_url", "silent_url"])
def test_a_view_answers_503_soon(
    new_site: NewSite, request: pytest.FixtureRequest, place: str, lost: str, view: str
) -> None:
    url = request.getfixturevalue(place)
    keys = {
        "broker": ["CELERY_BROKER_URL"],
        "results": ["CELERY_RESULT_BACKEND"],
        "both": ["CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"],
    }
    site = new_site(TESTING=False, **dict.fromkeys(keys[lost], url))
    for _ in range(2):
        began = time.monotonic()
        response = site.client.post(view)
        took_s = time.monotonic() - began
        assert response.status_code == 503, response.text
        assert response.headers["Content-Type"] == "application/problem+json"
        assert int(response.headers["Retry-After"]) > 0
        assert url.partition("//")[2].partition("/")[0] not in response.text
        assert took_s < SOON_S


def test_a_view_answers_503_soon_when_redis_stops_answering_after_it_was_used(
    new_site: NewSite, own_server: EmbeddedServer
) -> None:
    site = new_site(CELERY_BROKER_URL=own_server.url, CELERY_RESULT_BACKEND=own_server.url)
    assert site.client.post("/mail").status_code == 202
    os.kill(own_server.pid or 0, signal.SIGSTOP)
    try:
        for view in ("/mail", "/log"):
            began = time.monotonic()
            assert site.client.post(view).status_code == 503
            assert time.monotonic() - began < SOON_S
    finally:
        os.kill(own_server.pid or 0, signal.SIGCONT)


def site_that_raises(error: Exception, **config: Any) -> Site:
    site = make_site(CELERY_BROKER_URL="memory://", CELERY_RESULT_BACKEND="cache+memory://")

    @site.app.route("/raise")
    def view() -> Any:
        raise error

    return site


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError("redis://:canary@host"), 503),
        (ResultBackendUnavailable("redis://:canary@host"), 503),
        (QueueFull("canary"), 429),
    ],
)
def test_each_outage_has_its_status(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    response = site_that_raises(error).client.get("/raise")
    assert response.status_code == status
    assert int(response.headers["Retry-After"]) > 0
    assert "canary" not in response.text
    assert type(error).__name__ in caplog.text


@pytest.mark.parametrize("kind", [OperationalError, QueueFull])
def test_a_handler_of_the_application_comes_first_whenever_it_was_registered(
    kind: type[Exception], redis_url: str
) -> None:
    from flask import Flask

    from flask_celeriac import Celeriac

    early, late = Flask("early"), Flask("late")
    for app in (early, late):
        app.config.update(CELERY_BROKER_URL=redis_url)

        @app.route("/raise")
        def view() -> Any:
            raise QueueFull

    early.register_error_handler(kind, lambda error: ("mine", 418))
    Celeriac(early)
    Celeriac(late)
    late.register_error_handler(kind, lambda error: ("mine", 418))
    for app in (early, late):
        assert app.test_client().get("/raise").status_code == 418


def test_a_handler_for_all_errors_leaves_outages_to_us() -> None:
    site = site_that_raises(OperationalError("gone"))
    site.app.register_error_handler(Exception, lambda error: ("mine", 418))
    assert site.client.get("/raise").status_code == 503


def test_a_blueprint_that_handles_all_errors_handles_outages_too() -> None:
    site = site_that_raises(OperationalError("gone"))
    shop = Blueprint("shop", __name__)
    shop.register_error_handler(Exception, lambda error: ("mine", 418))

    @shop.route("/shop")
    def view() -> Any:
        raise OperationalError("gone")

    site.app.register_blueprint(shop)
    assert site.client.get("/shop").status_code == 418


def test_a_signature_that_can_not_be_sent_is_an_answer(
    new_site: NewSite, refusing_url: str
) -> None:
    site = new_site(CELERY_BROKER_URL=refusing_url)
    with site.app.test_request_context("/"):
        assert site.celeriac.respond(site.log.s()).status_code == 503
