"""`celeriac.respond`: a task as the answer of a view."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from celery import chain, group
from celery.exceptions import TaskRevokedError
from event_site import PREFIX, Site, in_background
from werkzeug.test import TestResponse

from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.errors import ResultBackendMissing
from subscriptions import subscriptions

NewSite = Callable[..., Site]
Answer = Callable[..., TestResponse]


def answer_of(site: Site, make: Callable[[], Any], wait: float = 3.0, **request: Any) -> Any:
    """Answer one request with what *make* gives, as a view does."""
    with site.app.test_request_context("/", **request):
        return site.celeriac.respond(make(), wait=wait)


def ended(site: Site, result: Any, state: str = "SUCCESS") -> Any:
    """The result of a task that has ended."""
    id_ = str(uuid4())
    site.celery.backend.store_result(id_, result, state)
    return site.celery.AsyncResult(id_)


@pytest.mark.parametrize("value", [{"a": [1, None]}, [1, 2], "text", 7, None, True])
def test_a_result_that_is_there_is_the_answer(site: Site, value: Any) -> None:
    response = answer_of(site, lambda: ended(site, value))
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.get_json() == value


@pytest.mark.parametrize("name", ["mail", "log"])
def test_a_result_that_comes_in_time_is_the_answer(site: Site, name: str) -> None:
    task = getattr(site, name)

    def send() -> Any:
        result = task.delay()
        threading.Timer(0.2, site.end, (result.id, "done")).start()
        return result

    began = time.monotonic()
    response = answer_of(site, send, wait=10)
    assert (response.status_code, response.get_json()) == (200, "done")
    assert time.monotonic() - began < 5


def test_a_task_that_takes_longer_is_accepted_with_its_status(site: Site) -> None:
    response = site.client.post("/mail")
    assert response.status_code == 202
    body = response.get_json()
    assert response.headers["Location"] == body["links"]["self"] == f"{PREFIX}/{body['id']}"
    assert response.headers["Retry-After"] == "1"
    assert (body["state"], body["task"]) == ("PENDING", "shop.mail")
    assert site.client.get(response.headers["Location"]).get_json() == body


def test_of_a_task_that_is_not_exposed_little_is_told(site: Site) -> None:
    response = site.client.post("/log")
    assert response.status_code == 202
    assert response.get_json().keys() == {"id", "state"}
    assert response.get_json()["state"] == "PENDING"
    assert "Location" not in response.headers
    assert response.headers["Retry-After"] == "1"


def test_without_the_blueprint_there_is_no_location(site: Site) -> None:
    site.app.blueprints.clear()
    response = answer_of(site, site.mail.delay, wait=0)
    assert response.status_code == 202
    assert "Location" not in response.headers
    assert response.get_json()["links"] == {"self": None, "events": None}


def test_a_failed_task_is_a_problem_without_a_traceback(site: Site) -> None:
    response = answer_of(site, lambda: ended(site, ValueError("no such address"), "FAILURE"))
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.get_json()
    assert problem["detail"] == "The task failed: ValueError: no such address"
    assert problem["error"] == {"type": "ValueError", "message": "no such address"}


def test_in_debug_a_failed_task_shows_its_traceback(site: Site) -> None:
    site.app.debug = True
    id_ = str(uuid4())
    site.celery.backend.store_result(id_, ValueError("no"), "FAILURE", traceback="File ...")
    problem = answer_of(site, lambda: site.celery.AsyncResult(id_)).get_json()
    assert problem["error"]["traceback"] == "File ..."


def test_a_revoked_task_is_a_conflict(site: Site) -> None:
    error = TaskRevokedError("cancelled by ann: too slow")
    response = answer_of(site, lambda: ended(site, error, "REVOKED"))
    assert response.status_code == 409
    assert response.get_json()["detail"] == "The task was cancelled by ann: too slow."


@pytest.mark.parametrize("result", [math.nan, {"a": [math.inf]}])
def test_what_json_does_not_know_is_a_problem_that_says_so(site: Site, result: Any) -> None:
    response = answer_of(site, lambda: ended(site, result))
    assert response.status_code == 500
    assert "is not JSON" in response.get_json()["detail"]


def test_an_eager_result_is_there_at_once(new_site: NewSite) -> None:
    site = new_site(CELERY_TASK_ALWAYS_EAGER=True)
    assert answer_of(site, lambda: site.log.delay([1])).get_json() == [1]
    assert answer_of(site, lambda: site.log.s("x")).get_json() == "x"
    assert answer_of(site, lambda: site.mail.delay("wrong")).status_code == 500
    odd = answer_of(site, lambda: site.log.apply(({1, 2},)))
    assert (odd.status_code, odd.get_json()["title"]) == (500, "Internal Server Error")
    assert "(set) is not JSON" in odd.get_json()["detail"]


def test_a_signature_is_sent(site: Site) -> None:
    response = answer_of(site, lambda: site.mail.s("plain"), wait=0)
    assert response.status_code == 202
    assert site.journal.look(response.get_json()["id"]).entry is not None
    both = answer_of(site, lambda: chain(site.log.s(1), site.log.s()), wait=0)
    assert both.status_code == 202


@pytest.mark.parametrize("given", [None, "4d2", 7])
def test_what_is_no_task_is_an_error_of_the_programmer(site: Site, given: Any) -> None:
    with pytest.raises(TypeError, match=r"task\.delay\(\)"):
        answer_of(site, lambda: given)
    with pytest.raises(TypeError, match="one task"):
        answer_of(site, lambda: group(site.log.s(1), site.log.s(2)))


@pytest.mark.parametrize(
    ("prefer", "applied", "least_s", "most_s"),
    [
        ("wait=1", "wait=1", 0.9, 1.9),
        ("wait=0", "wait=0", 0, 0.3),
        ("respond-async", "respond-async", 0, 0.3),
        ("respond-async, wait=1", "wait=1", 0.9, 1.9),
        ("wait=600", "wait=1.5", 1.4, 2.4),
        ("wait=soon", None, 0.4, 0.9),
        ("return=minimal", None, 0.4, 0.9),
    ],
)
def test_the_client_prefers_how_long_to_wait(
    new_site: NewSite, prefer: str, applied: str | None, least_s: float, most_s: float
) -> None:
    site = new_site(CELERIAC_MAX_WAIT=1.5)
    began = time.monotonic()
    response = answer_of(site, site.log.delay, wait=0.5, headers={"Prefer": prefer})
    assert least_s <= time.monotonic() - began < most_s
    assert response.status_code == 202
    assert response.headers.get("Preference-Applied") == applied
    assert "Prefer" in response.headers["Vary"]


def test_a_server_that_answers_nobody_else_meanwhile_waits_a_second_at_most(
    new_site: NewSite,
) -> None:
    site = new_site(TESTING=False)
    id_ = site.send()
    for respond in (
        lambda: answer_of(site, site.log.delay, wait=0, headers={"Prefer": "wait=20"}),
        lambda: site.client.get(f"{PREFIX}/{id_}", headers={"Prefer": "wait=20"}),
    ):
        began = time.monotonic()
        response = respond()
        assert response.headers["Preference-Applied"] == "wait=1"
        assert 0.9 < time.monotonic() - began < 2


def test_without_a_result_backend_the_programmer_is_told(new_site: NewSite) -> None:
    site = new_site(CELERY_RESULT_BACKEND=None)
    with pytest.raises(ResultBackendMissing, match="CELERY_RESULT_BACKEND"):
        answer_of(site, site.log.delay)


def test_without_push_the_result_comes_by_looking(slow_site: Site) -> None:
    def send() -> Any:
        result = slow_site.mail.delay()
        threading.Timer(0.2, slow_site.end, (result.id, "done")).start()
        return result

    assert answer_of(slow_site, send, wait=10).get_json() == "done"
    accepted = answer_of(slow_site, slow_site.mail.delay, wait=0)
    assert (accepted.status_code, accepted.get_json()["state"]) == (202, "PENDING")


def test_with_results_that_are_messages_a_view_can_answer_and_nothing_can_be_exposed(
    new_site: NewSite,
) -> None:
    site = new_site(CELERY_RESULT_BACKEND="rpc://")
    accepted = answer_of(site, site.log.delay, wait=0.2)
    assert (accepted.status_code, accepted.get_json()["state"]) == (202, "PENDING")
    with pytest.raises(ResultBackendMissing, match="another than rpc"):
        answer_of(site, site.mail.delay)


@pytest.fixture
def lonely_site(new_site: NewSite, own_server: EmbeddedServer) -> Site:
    """A site whose results are kept on a server that stops after tasks were sent."""
    return new_site(CELERY_RESULT_BACKEND=own_server.url)


def test_when_nobody_knows_what_became_of_a_task_it_says_so_soon(
    lonely_site: Site, own_server: EmbeddedServer
) -> None:
    def send() -> Any:
        result = lonely_site.log.delay()
        own_server.stop()
        return result

    began = time.monotonic()
    response = answer_of(lonely_site, send, wait=10)
    assert time.monotonic() - began < 8  # 2 s, and the stop of the server
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"
    assert response.get_json()["id"]


def test_a_server_of_results_that_restarts_meanwhile_is_no_outage(
    lonely_site: Site, own_server: EmbeddedServer
) -> None:
    def restart(id_: str) -> None:
        own_server.stop()
        own_server.start()
        lonely_site.end(id_, "done")

    def send() -> Any:
        lonely_site.journal.look(str(uuid4()))
        result = lonely_site.mail.delay()
        threads.append(threading.Timer(1.5, restart, (result.id,)))
        threads[-1].start()
        return result

    threads: list[threading.Thread] = []
    response = answer_of(lonely_site, send, wait=20)
    threads[0].join()
    assert (response.status_code, response.get_json()) == (200, "done")


def test_many_views_wait_on_one_connection(site: Site, redis_url: str) -> None:
    import redis

    results = [site.log.delay() for _ in range(20)]
    answers: list[Any] = []

    def view(result: Any) -> None:
        answers.append(answer_of(site, lambda: result, wait=20).get_json())

    with site.app.app_context():
        threads = [in_background(view, result) for result in results]
    with redis.Redis.from_url(redis_url) as client:
        deadline = time.monotonic() + 10
        while sum(subscribed := subscriptions(client)) < len(results):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    for result in results:
        site.end(result.id, result.id)
    for thread in threads:
        thread.join()
    assert len(subscribed) == 1
    assert sorted(answers) == sorted(result.id for result in results)
