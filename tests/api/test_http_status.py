"""The status of tasks that a worker runs, with each kind of result backend."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery import states
from flask import Flask, abort
from flask.testing import FlaskClient
from http_shop import PREFIX, make

from flask_celeriac import Celeriac
from flask_celeriac.access import Ask
from flask_celeriac.record.journal.find import journal_of

ORDER, FAIL, COUNT = (f"{PREFIX}/shop.{name}" for name in ("order", "fail", "count"))
TEA = {"item": {"name": "tea"}}
WAIT = {"Prefer": "wait=15"}
KINDS = ("ours", "kombu", "file", "database")


@pytest.fixture(scope="module", params=KINDS)
def worked(
    request: pytest.FixtureRequest,
    redis_server: Any,
    flask_worker: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, str]]:
    """The configuration of a shop that has a worker."""
    folder = tmp_path_factory.mktemp("worked")
    url = f"{redis_server.url.rpartition('/')[0]}/{KINDS.index(request.param)}"
    with redis.Redis.from_url(url) as server:
        server.flushdb()
    results = {
        "file": f"file://{folder}",
        "database": f"db+sqlite:///{folder}/results.db",
    }.get(request.param, url)
    config = {
        "CELERY_BROKER_URL": url,
        "CELERY_RESULT_BACKEND": results,
        "CELERIAC_TRANSPORT": "kombu" if request.param == "kombu" else "celeriac",
    }
    with pytest.MonkeyPatch.context() as patched:
        for name, value in config.items():
            patched.setenv(f"SHOP_{name}", value)
        with flask_worker(Path(__file__).parent, "http_shop", "threads", folder / "log"):
            yield config


@pytest.fixture
def busy(worked: dict[str, str]) -> FlaskClient:
    return make(**worked)[1].test_client()


def ended(client: FlaskClient, path: str, body: Any = None) -> Any:
    """Send a task, and return its status when it has ended."""
    where = client.post(path, json=body or {}).headers["Location"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = client.get(where, headers=WAIT)
        assert answer.status_code == 200, answer.text
        if answer.json["finished_at"]:
            return answer
    raise AssertionError(f"it does not end: {answer.text}")


def test_a_task_that_succeeds_is_shown_with_its_result(busy: FlaskClient) -> None:
    answer = ended(busy, ORDER, {**TEA, "due": "2026-02-28", "kind": "gift"})
    body = answer.json
    assert body["state"] == "SUCCESS"
    assert body["result"] == {
        "item": {"name": "tea", "weight_kg": 0.5, "tags": []},
        "quantity": 1,
        "due": "2026-02-28",
        "kind": "gift",
        "code": None,
    }
    assert (body["error"], body["attempts"]) == (None, 1)
    assert body["queued_at"] <= body["started_at"] <= body["finished_at"]
    assert "Retry-After" not in answer.headers
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Preference-Applied"] == "wait=15"


def test_who_sends_may_wait_for_the_end(busy: FlaskClient) -> None:
    answer = busy.post(ORDER, json=TEA, headers=WAIT)
    assert (answer.status_code, answer.json["state"]) == (200, "SUCCESS")
    assert answer.json["result"]["item"]["name"] == "tea"
    assert answer.headers["Preference-Applied"] == "wait=15"
    assert answer.headers["Cache-Control"] == "no-store"
    assert busy.get(answer.headers["Location"]).json == answer.json
    failed = busy.post(FAIL, json={"text": "why not"}, headers=WAIT)
    assert (failed.status_code, failed.json["state"]) == (200, "FAILURE")


def test_who_sends_waits_no_longer_than_that(busy: FlaskClient) -> None:
    began = time.monotonic()
    # Nobody takes from this queue.
    late = busy.post(f"{ORDER}?queue=slow", json=TEA, headers={"Prefer": "wait=1"})
    assert 0.9 < time.monotonic() - began < 10
    assert (late.status_code, late.json["state"]) == (202, "PENDING")
    assert (late.headers["Preference-Applied"], late.headers["Retry-After"]) == ("wait=1", "1")
    now = busy.post(f"{ORDER}?queue=slow", json=TEA, headers={"Prefer": "respond-async"})
    assert (now.status_code, now.headers["Preference-Applied"]) == (202, "respond-async")


@pytest.mark.parametrize("may", [lambda ask: ask.action != "read", lambda ask: refuse(ask)])
def test_who_may_send_and_cancel_but_not_read_learns_no_result(
    worked: dict[str, str], may: Callable[[Ask], bool]
) -> None:
    celeriac, shop = make(**worked)
    client = shop.test_client()
    headers = {"Idempotency-Key": f'"{uuid4()}"'}
    sent = client.post(ORDER, json=TEA, headers=headers)
    assert client.get(sent.headers["Location"], headers=WAIT).json["result"]
    celeriac.access(lambda request, ask: may(ask))
    again = client.post(ORDER, json=TEA, headers={**headers, **WAIT})
    gone = client.delete(sent.headers["Location"])
    for answer in (again, gone):
        assert (answer.status_code, answer.json["state"]) == (202, "SUCCESS")
        assert (answer.json["result"], answer.json["progress"]) == (None, None)
        assert "Preference-Applied" not in answer.headers
    began = time.monotonic()
    assert client.post(f"{ORDER}?queue=slow", json=TEA, headers=WAIT).status_code == 202
    assert time.monotonic() - began < 5


def refuse(ask: Ask) -> bool:
    if ask.action == "read":
        abort(401)
    return True


def test_a_repeated_request_waits_for_the_same_task(busy: FlaskClient) -> None:
    headers = {**WAIT, "Idempotency-Key": '"tea for two"'}
    first, second = (busy.post(ORDER, json=TEA, headers=headers) for _ in range(2))
    assert (first.status_code, first.json) == (second.status_code, second.json)
    assert first.status_code == 200
    del headers["Prefer"]
    assert busy.post(ORDER, json=TEA, headers=headers).status_code == 202


def test_models_reach_a_task_that_wants_them(busy: FlaskClient) -> None:
    body = ended(busy, f"{PREFIX}/shop.model_of", TEA).json
    assert (body["state"], body["result"]) == ("SUCCESS", "Item")


def test_a_task_that_fails_is_shown_with_its_error(busy: FlaskClient) -> None:
    body = ended(busy, FAIL, {"text": "why not"}).json
    assert (body["state"], body["result"]) == ("FAILURE", None)
    assert body["error"] == {"type": "ValueError", "message": "why not"}


def test_a_traceback_is_shown_in_debug_mode_alone(worked: dict[str, str]) -> None:
    body = ended(make(**worked, DEBUG=True)[1].test_client(), FAIL).json
    assert "raise ValueError(text)" in body["error"]["traceback"]


def test_progress_stays_when_a_task_has_ended(busy: FlaskClient) -> None:
    body = ended(busy, COUNT, {"number": 3}).json
    assert (body["state"], body["result"]) == ("SUCCESS", 3)
    assert body["progress"]["current"] == body["progress"]["total"] == 3
    assert body["progress"]["percent"] == 100.0


def test_the_same_representation_has_the_same_tag(busy: FlaskClient) -> None:
    answer = ended(busy, ORDER, TEA)
    where, tag = answer.json["links"]["self"], answer.headers["ETag"]
    again = busy.get(where, headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == tag
    assert again.headers["Cache-Control"] == "private, no-cache"
    other = busy.get(where, headers={"If-None-Match": '"another"', "Prefer": "wait=5"})
    assert other.status_code == 200


def test_a_change_ends_a_wait_with_a_tag(
    worked: dict[str, str], busy: FlaskClient, app: Flask
) -> None:
    _, shop = make(**worked)
    client = shop.test_client()
    # Nobody takes from this queue.
    where = client.post(f"{ORDER}?queue=slow", json=TEA).headers["Location"]
    tag = client.get(where).headers["ETag"]
    began = time.monotonic()
    same = client.get(where, headers={"If-None-Match": tag, "Prefer": "wait=1"})
    assert same.status_code == 304
    assert time.monotonic() - began > 0.9
    timer = threading.Timer(0.3, lambda: shop.test_client().delete(where))
    timer.start()
    changed = client.get(where, headers={"If-None-Match": tag, "Prefer": "wait=15"})
    assert time.monotonic() - began < 10
    assert changed.status_code == 200
    assert changed.json["cancellation"]
    timer.join()


def test_a_cancelled_task_that_waits_never_starts(busy: FlaskClient) -> None:
    where = busy.post(f"{ORDER}?countdown=2", json=TEA).headers["Location"]
    reason = {"reason": "too slow"}
    first = busy.delete(where, json=reason, headers={"User": ""})
    assert first.status_code == 404, "an empty name is another owner than none"
    first = busy.delete(where, json=reason)
    second = busy.delete(where, json={"reason": "another"})
    assert first.status_code == second.status_code == 202
    assert first.headers["Location"] == where
    wish = first.json["cancellation"]
    assert (wish["reason"], wish["by"]) == ("too slow", None)
    assert second.json["cancellation"] == wish
    deadline = time.monotonic() + 30
    while not (body := busy.get(where, headers=WAIT).json)["finished_at"]:
        assert time.monotonic() < deadline, body
    assert (body["state"], body["attempts"], body["started_at"]) == ("REVOKED", 0, None)
    assert body["error"]["type"] == "TaskRevokedError"
    assert "too slow" in body["error"]["message"]
    after = busy.delete(where)
    assert (after.status_code, after.json) == (202, body)


def test_what_has_ended_can_not_be_cancelled(busy: FlaskClient) -> None:
    body = ended(busy, ORDER, TEA).json
    answer = busy.delete(body["links"]["self"])
    assert (answer.status_code, answer.json) == (202, body)
    assert "Retry-After" not in answer.headers


# Without a worker


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *((b"{", 400), (b"[]", 422), (b'{"reason": 1}', 422), (b'{"why": "x"}', 422)),
        *((json.dumps({"reason": "x" * 1001}).encode(), 422), (b" " * 262_145, 413)),
    ],
)
def test_a_wrong_reason_is_refused(client: FlaskClient, body: bytes, status: int) -> None:
    where = client.post(ORDER, json=TEA).headers["Location"]
    answer = client.delete(where, data=body, content_type="application/json")
    assert answer.status_code == status
    assert client.get(where).json["cancellation"] is None


def test_who_cancels_is_written_down(client: FlaskClient) -> None:
    ann = {"User": "ann"}
    where = client.post(ORDER, json=TEA, headers=ann).headers["Location"]
    assert client.delete(where, headers=ann).json["cancellation"]["by"] == "ann"


@pytest.fixture
def expired(
    celeriac: Celeriac, client: FlaskClient, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, str]], str]:
    """A function that sends a task, and lets its result expire."""

    def expire(headers: dict[str, str]) -> str:
        where: str = client.post(ORDER, json=TEA, headers=headers).headers["Location"]
        id_ = where.rpartition("/")[2]
        journal = journal_of(celeriac.celery)
        journal.started(id_)
        journal.ended(id_)
        at = datetime.now(UTC) - timedelta(days=2)
        with redis.Redis.from_url(redis_url) as server:
            server.hset(f"celeriac:1:task:{id_}", "ended", round(at.timestamp() * 1000))
        return where

    return expire


@pytest.mark.parametrize("life", [86400, timedelta(days=1)], ids=["seconds", "timedelta"])
def test_an_expired_result_is_gone_for_its_owner_and_unknown_to_others(
    celeriac: Celeriac,
    client: FlaskClient,
    expired: Callable[[dict[str, str]], str],
    monkeypatch: pytest.MonkeyPatch,
    life: float | timedelta,
) -> None:
    where = expired({"User": "ann"})
    # The result backend on a database has a timedelta.
    monkeypatch.setattr(celeriac.celery.backend, "expires", life)
    for method in (client.get, client.delete):
        mine = method(where, headers={"User": "ann"})
        theirs = method(where, headers={"User": "bob"})
        assert mine.status_code == 410
        assert mine.content_type == "application/problem+json"
        assert theirs.status_code == 404


def test_what_json_has_no_form_for_is_shown(celeriac: Celeriac, client: FlaskClient) -> None:
    where = client.post(ORDER, json=TEA).headers["Location"]
    at = datetime(2026, 2, 28, 12, tzinfo=UTC)
    result = {"at": at, "share": float("nan"), "all": [float("inf"), 1.5]}
    celeriac.celery.backend.store_result(where.rpartition("/")[2], result, states.SUCCESS)
    answer = client.get(where)
    shown = json.loads(answer.text, parse_constant=lambda name: pytest.fail(name))["result"]
    assert shown == {"at": "2026-02-28T12:00:00+00:00", "share": None, "all": [None, 1.5]}


def test_a_result_backend_that_does_not_answer_is_said(unused_port: int) -> None:
    dead = f"redis://127.0.0.1:{unused_port}/0"
    client = make(CELERY_BROKER_URL=dead, CELERY_RESULT_BACKEND=dead)[1].test_client()
    began = time.monotonic()
    answer = client.get(f"{PREFIX}/6e1e2bb8-3d5b-4b0e-8f0e-0d6d1d2c5a11")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert time.monotonic() - began < 2.3


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
