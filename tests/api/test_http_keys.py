"""Idempotency keys: one key, one task."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from http_shop import PREFIX
from kombu.exceptions import OperationalError

from flask_celeriac.api import idempotency, submit
from flask_celeriac.errors import ResultBackendUnavailable

Sent = Callable[..., list[dict[str, object]]]
ORDER, FAIL = f"{PREFIX}/shop.order", f"{PREFIX}/shop.fail"
TEA = {"item": {"name": "tea"}}
KEY = {"Idempotency-Key": '"8e03978e-40d5"'}


@pytest.fixture(params=["ours", "kombu", "file"])
def shop_config(
    request: pytest.FixtureRequest, redis_url: str, tmp_path: Path
) -> dict[str, object]:
    results = f"file://{tmp_path}" if request.param == "file" else redis_url
    transport = "kombu" if request.param == "kombu" else "celeriac"
    return {
        "CELERY_BROKER_URL": redis_url,
        "CELERY_RESULT_BACKEND": results,
        "CELERIAC_TRANSPORT": transport,
    }


def test_the_same_key_and_body_are_one_task(client: FlaskClient, sent: Sent) -> None:
    first = client.post(ORDER, json=TEA, headers=KEY)
    again = client.post(
        ORDER, data=b' {"item" : {"name":"tea"}}', headers=KEY, content_type="application/json"
    )
    assert first.status_code == again.status_code == 202
    assert first.headers["Location"] == again.headers["Location"]
    assert first.json == again.json
    assert len(sent()) == 1


@pytest.mark.parametrize(
    ("path", "body"), [(ORDER, {"item": {"name": "milk"}}), (f"{ORDER}?queue=mail", TEA)]
)
def test_the_same_key_with_another_request_is_refused(
    client: FlaskClient, sent: Sent, path: str, body: Any
) -> None:
    client.post(ORDER, json=TEA, headers=KEY)
    answer = client.post(path, json=body, headers=KEY)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["header"] == "Idempotency-Key"
    assert (len(sent()), len(sent("mail"))) == (1, 0)


def test_a_key_belongs_to_an_owner_and_a_task(client: FlaskClient, sent: Sent) -> None:
    ids = {
        client.post(path, json=body, headers={**KEY, **user}).json["id"]
        for path, body in ((ORDER, TEA), (FAIL, {}))
        for user in ({}, {"User": "ann"}, {"User": "bob"})
    }
    assert len(ids) == len(sent()) == 6


def test_a_request_that_is_refused_leaves_its_key_free(client: FlaskClient) -> None:
    assert client.post(ORDER, json={}, headers=KEY).status_code == 422
    assert client.post(ORDER, json=TEA, headers=KEY).status_code == 202


@pytest.mark.parametrize("error", [ValueError("no"), ResultBackendUnavailable("no")])
def test_a_request_that_fails_before_it_sends_leaves_its_key_free(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(submit, "require_room", lambda *_: raise_(error))
        assert client.post(ORDER, json=TEA, headers=KEY).status_code in (500, 503)
    assert client.post(ORDER, json={"item": {"name": "milk"}}, headers=KEY).status_code == 202


def test_while_the_first_is_in_progress_the_second_is_told_to_wait(
    client: FlaskClient, app: Flask, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_there, may_go_on = threading.Event(), threading.Event()
    answers = []

    def stop(*_: Any) -> None:
        is_there.set()
        assert may_go_on.wait(10)

    monkeypatch.setattr(submit, "require_room", stop)
    thread = threading.Thread(
        target=lambda: answers.append(app.test_client().post(ORDER, json=TEA, headers=KEY))
    )
    thread.start()
    assert is_there.wait(10)
    second = client.post(ORDER, json=TEA, headers=KEY)
    other = client.post(ORDER, json={"item": {"name": "milk"}}, headers=KEY)
    may_go_on.set()
    thread.join()
    third = client.post(ORDER, json=TEA, headers=KEY)
    assert (second.status_code, second.headers["Retry-After"]) == (409, "1")
    assert other.status_code == 422
    assert answers[0].json["id"] == third.json["id"]
    assert len(sent()) == 1


def test_of_many_at_once_one_sends(app: Flask, sent: Sent, shop_config: dict[str, str]) -> None:
    if (
        shop_config["CELERIAC_TRANSPORT"] == "kombu"
        or "file" in shop_config["CELERY_RESULT_BACKEND"]
    ):
        pytest.skip("only our result backend reserves in one step")
    barrier = threading.Barrier(8)
    answers: list[Any] = []

    def post() -> None:
        barrier.wait()
        answers.append(app.test_client().post(ORDER, json=TEA, headers=KEY))

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json["id"] for answer in answers if answer.status_code == 202}) == 1
    assert len(sent()) == 1


def test_after_a_crash_between_sending_and_writing_down_the_same_task_is_sent(
    client: FlaskClient, sent: Sent, monkeypatch: pytest.MonkeyPatch, shop_config: dict[str, str]
) -> None:
    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_journal_class(client), "settle", die)
        with pytest.raises(KeyboardInterrupt):
            client.post(ORDER, json=TEA, headers=KEY)
    assert client.post(ORDER, json=TEA, headers=KEY).status_code == 409
    monkeypatch.setattr(idempotency, "LONGEST_S", 0)
    other = client.post(ORDER, json={"item": {"name": "milk"}}, headers=KEY)
    answers = [client.post(ORDER, json=TEA, headers=KEY) for _ in range(2)]
    assert other.status_code == 422
    assert answers[0].json["id"] == answers[1].json["id"]
    is_ours = shop_config["CELERIAC_TRANSPORT"] == "celeriac"
    assert len(sent()) == (1 if is_ours else 2)


def test_a_broker_that_may_have_it_leaves_the_key_to_the_same_task(
    client: FlaskClient, app: Flask, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = app.extensions["celery"].tasks["shop.order"]
    ids = []

    def send_and_fail(**options: Any) -> None:
        ids.append(options["task_id"])
        type(task).apply_async(task, **options)
        raise OperationalError("the answer was lost")

    with monkeypatch.context() as patched:
        patched.setattr(task, "apply_async", send_and_fail)
        assert client.post(ORDER, json=TEA, headers=KEY).status_code == 503
    monkeypatch.setattr(idempotency, "LONGEST_S", 0)
    assert client.post(ORDER, json=TEA, headers=KEY).json["id"] == ids[0]


@pytest.mark.parametrize(
    ("written", "same"),
    [('"a b"', None), ('"a\\"b\\\\"', None), ("abc", '"abc"'), ("a" * 255, None), (" abc ", "abc")],
)
def test_a_key_may_be_quoted_or_a_word(client: FlaskClient, written: str, same: str | None) -> None:
    first = client.post(ORDER, json=TEA, headers={"Idempotency-Key": written})
    again = client.post(ORDER, json=TEA, headers={"Idempotency-Key": same or written})
    assert first.status_code == again.status_code == 202
    assert first.json["id"] == again.json["id"]


@pytest.mark.parametrize("written", ["", '""', '"a', "a b", '"a";x=1', "a,b", "a" * 256, '"é"'])
def test_another_key_is_refused(client: FlaskClient, sent: Sent, written: str) -> None:
    answer = client.post(ORDER, json=TEA, headers={"Idempotency-Key": written})
    assert answer.status_code == 400
    assert sent() == []


def test_keys_are_kept_for_a_day_and_not_in_clear(
    client: FlaskClient, redis_url: str, shop_config: dict[str, str]
) -> None:
    client.post(ORDER, json=TEA, headers={**KEY, "User": "ann"})
    with redis.Redis.from_url(redis_url) as server:
        names = server.keys("*")
        keys = [name for name in names if b":once:" in name and b":token:" not in name]
        lives = [server.ttl(key) for key in keys]
        tokens = [server.ttl(name) for name in names if b":token:once:" in name]
    assert not [name for name in names if b"8e03978e" in name or b"ann" in name]
    if shop_config["CELERY_RESULT_BACKEND"] == redis_url and not keys:
        assert shop_config["CELERIAC_TRANSPORT"] == "kombu"
    assert all(86_300 < life <= 86_400 for life in lives)
    assert all(86_300 < life <= 86_400 for life in tokens)
    assert bool(tokens) == (shop_config["CELERIAC_TRANSPORT"] == "celeriac")


def _journal_class(client: FlaskClient) -> Any:
    from flask_celeriac.record.journal.find import journal_of

    return type(journal_of(client.application.extensions["celery"]))


def raise_(error: Exception) -> None:
    raise error
