"""Tasks that are sent by HTTP: how they are answered, with which options, and how many."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from http_shop import PREFIX, make, without_request_id

from flask_celeriac import Celeriac
from flask_celeriac.errors import QueueFull

Sent = Callable[..., list[dict[str, object]]]
ORDER = f"{PREFIX}/shop.order"
TEA = {"item": {"name": "tea"}}


def test_a_task_that_is_sent_is_answered_with_its_status(client: FlaskClient) -> None:
    answer = client.post(ORDER, json=TEA)
    body = answer.json
    assert answer.status_code == 202
    assert UUID(body["id"]).version == 4
    where = f"{PREFIX}/{body['id']}"
    assert answer.headers["Location"] == where
    assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("1", "no-store")
    assert "ETag" not in answer.headers
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body.pop("queued_at"))
    assert body == {
        "id": body["id"],
        "task": "shop.order",
        "state": "PENDING",
        "progress": None,
        "result": None,
        "error": None,
        "attempts": 0,
        "started_at": None,
        "finished_at": None,
        "cancellation": None,
        "links": {"self": where, "events": f"{where}/events"},
    }


def test_a_task_that_is_not_exposed_is_as_one_that_is_not_there(client: FlaskClient) -> None:
    hidden = client.post(f"{PREFIX}/shop.hidden", data=b"{", headers={"User": "nobody"})
    unknown = client.post(f"{PREFIX}/shop.nothing", data=b"{", headers={"User": "nobody"})
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.data == unknown.data
    assert without_request_id(hidden) == without_request_id(unknown)


def test_options_are_heeded(client: FlaskClient, sent: Sent, redis_url: str) -> None:
    assert client.post(f"{ORDER}?queue=mail&priority=9", json=TEA).status_code == 202
    assert client.post(f"{ORDER}?countdown=60.5", json=TEA).status_code == 202
    with redis.Redis.from_url(redis_url) as server:
        assert server.llen("mail\x06\x169") == 1
        assert server.zcard("celeriac:1:delayed") == 1
    assert sent() == []


@pytest.mark.parametrize(
    ("query", "name"),
    [
        *(("countdown=3601", "countdown"), ("countdown=-1", "countdown")),
        *(("countdown=nan", "countdown"), ("countdown=1e9", "countdown")),
        *(("priority=1", "priority"), ("priority=٩", "priority"), ("priority=", "priority")),
        *(("queue=celery", "queue"), ("queue=mail&queue=slow", "queue"), ("eta=1", "eta")),
    ],
)
def test_options_that_are_not_allowed_are_named(
    client: FlaskClient, sent: Sent, query: str, name: str
) -> None:
    answer = client.post(f"{ORDER}?{query}", json=TEA)
    assert answer.status_code == 422
    assert [each["parameter"] for each in answer.json["errors"]] == [name]
    assert sent() == []


def test_options_that_a_task_does_not_take_are_refused(client: FlaskClient) -> None:
    answer = client.post(f"{PREFIX}/shop.fail?countdown=1&priority=0&queue=mail")
    assert answer.status_code == 422
    assert len(answer.json["errors"]) == 3


@pytest.mark.parametrize("limits", [2, {"celery": 2}, {"*": 2, "mail": 0}])
def test_a_full_queue_takes_no_more(redis_url: str, limits: Any) -> None:
    _, app = make(
        CELERY_BROKER_URL=redis_url,
        CELERY_RESULT_BACKEND=redis_url,
        CELERIAC_QUEUE_LIMITS=limits,
    )
    client = app.test_client()
    answers = [client.post(ORDER, json=TEA) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[-1].headers["Retry-After"] == "5"
    assert answers[-1].content_type == "application/problem+json"
    with redis.Redis.from_url(redis_url) as server:
        assert len(server.keys("celeriac:1:task:*")) == server.llen("celery") == 2
        server.delete("celery")
    assert client.post(ORDER, json=TEA).status_code == 202


def test_each_queue_has_its_own_limit(redis_url: str) -> None:
    celeriac, app = make(
        CELERY_BROKER_URL=redis_url,
        CELERY_RESULT_BACKEND=redis_url,
        CELERIAC_QUEUE_LIMITS={"mail": 0},
    )
    client = app.test_client()
    assert client.post(f"{ORDER}?queue=mail", json=TEA).status_code == 429
    assert client.post(f"{ORDER}?queue=slow", json=TEA).status_code == 202
    with app.app_context():
        celeriac.require_room(celeriac.celery.tasks["shop.order"])
        with pytest.raises(QueueFull, match="'mail' has 0 messages, and 0 may wait"):
            celeriac.require_room(celeriac.celery.tasks["shop.order"], queue="mail")


def test_without_limits_nobody_asks_for_the_depth(client: FlaskClient, redis_url: str) -> None:
    client.post(ORDER, json=TEA)
    with redis.Redis.from_url(redis_url) as server, server.monitor() as monitor:
        client.post(ORDER, json=TEA)
        server.ping()
        commands = []
        while (command := monitor.next_command()["command"]) != "PING":
            commands.append(command)
    assert not [command for command in commands if "LLEN" in command and "lua" not in command]


@contextmanager
def dead_server(kind: str) -> Iterator[str]:
    """Give the URL of a server that refuses connections, or takes them and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if kind == "silent":
            listening.listen()
        yield f"redis://:canary@127.0.0.1:{listening.getsockname()[1]}/0"


@pytest.mark.parametrize("kind", ["refusing", "silent"])
@pytest.mark.parametrize("lost", ["broker", "results", "both"])
@pytest.mark.parametrize("limits", [{}, {"*": 5}])
@pytest.mark.parametrize("transport", ["celeriac", "kombu"])
def test_a_server_that_does_not_answer_is_said_within_two_seconds(
    redis_url: str, kind: str, lost: str, limits: Any, transport: str
) -> None:
    with dead_server(kind) as dead:
        _, app = make(
            CELERY_BROKER_URL=redis_url if lost == "results" else dead,
            CELERY_RESULT_BACKEND=redis_url if lost == "broker" else dead,
            CELERIAC_QUEUE_LIMITS=limits,
            CELERIAC_TRANSPORT=transport,
        )
        client = app.test_client()
        for headers in ({}, {"Idempotency-Key": "once"}):
            began = time.monotonic()
            answer = client.post(ORDER, json=TEA, headers=headers)
            took_s = time.monotonic() - began
            assert answer.status_code == 503, answer.text
            assert answer.content_type == "application/problem+json"
            assert answer.headers["Retry-After"] == "1"
            assert "canary" not in answer.text
            assert "127.0.0.1" not in answer.text
            assert took_s < 2.3


def test_eagerly_the_answer_is_that_of_a_task_that_has_ended() -> None:
    _, app = make(CELERY_TASK_ALWAYS_EAGER=True, TESTING=True)
    client = app.test_client()
    answer = client.post(f"{PREFIX}/shop.take_anything", json={"first": 1})
    assert answer.status_code == 202
    assert (answer.json["state"], answer.json["result"]) == ("SUCCESS", [1, 2, {}])
    assert "Retry-After" not in answer.headers
    answer = client.post(f"{PREFIX}/shop.fail", json={"text": "why"})
    assert answer.status_code == 202
    assert answer.json["state"] == "FAILURE"
    assert answer.json["error"] == {"type": "ValueError", "message": "why"}


def test_the_extension_has_one_blueprint(celeriac: Celeriac, app: Flask) -> None:
    assert celeriac.api is celeriac.api
    assert app.blueprints["celeriac_api"] is celeriac.api


def test_links_follow_the_name_of_the_blueprint(redis_url: str) -> None:
    celeriac = Celeriac()

    @celeriac.task(name="shop.ping", expose=True)
    def ping() -> None: ...

    celeriac.access(lambda request, ask: True)
    app = Flask("other")
    app.config.update(CELERY_BROKER_URL=redis_url, CELERY_RESULT_BACKEND=redis_url)
    celeriac.init_app(app)
    app.register_blueprint(celeriac.api, url_prefix="/jobs", name="jobs")
    answer = app.test_client().post("/jobs/shop.ping")
    assert answer.headers["Location"] == f"/jobs/{answer.json['id']}"


def test_an_exposed_task_keeps_its_result(celeriac: Celeriac, app: Flask) -> None:
    @celeriac.task(name="shop.quiet", expose=True, ignore_result=True)
    def quiet() -> None: ...

    with app.app_context():
        assert quiet.delay().ignored is False
        assert quiet.enqueue_many([((), {})])[0].ignored is False
        assert quiet.apply_async(ignore_result=True).ignored is True


def test_what_is_known_of_a_delayed_task_outlives_the_delay(
    celeriac: Celeriac, app: Flask, redis_url: str
) -> None:
    day_s = 86_400
    due_at = datetime.now(UTC) + timedelta(days=100)
    with app.app_context():
        task = celeriac.celery.tasks["shop.order"]
        ids = [
            task.apply_async(kwargs=TEA, countdown=100 * day_s).id,
            task.apply_async(kwargs=TEA, eta=due_at).id,
            task.enqueue_many([((), TEA)], countdown=100 * day_s)[0].id,
        ]
    with redis.Redis.from_url(redis_url) as server:
        assert all(server.ttl(f"celeriac:1:task:{id_}") > 129 * day_s for id_ in ids)


def test_arguments_that_are_too_large_for_a_message_are_413_and_leave_the_key_free(
    shop_config: dict[str, object],
) -> None:
    options = {"max_message_bytes": 100_000}
    celeriac, app = make(**shop_config, CELERY_BROKER_TRANSPORT_OPTIONS=options)

    @celeriac.task(name="shop.keep", expose=True)
    def keep(text: str) -> None: ...

    @app.route("/keep", methods=["POST"])
    def keep_view() -> Any:
        return celeriac.respond(keep.s("x" * 100_000))

    client, key = app.test_client(), {"Idempotency-Key": "one"}
    large = client.post(f"{PREFIX}/shop.keep", json={"text": "x" * 100_000}, headers=key)
    assert (large.status_code, large.content_type) == (413, "application/problem+json")
    assert client.post("/keep").status_code == 413
    small = client.post(f"{PREFIX}/shop.keep", json={"text": "x"}, headers=key)
    assert small.status_code == 202


def test_the_largest_body_that_is_taken_fits_in_a_message(celeriac: Celeriac, app: Flask) -> None:
    @celeriac.task(name="shop.keep", expose=True)
    def keep(text: str) -> None: ...

    largest = app.extensions["celeriac"].settings.max_body_bytes - len('{"text": ""}')
    answer = app.test_client().post(f"{PREFIX}/shop.keep", json={"text": "x" * largest})
    assert answer.status_code == 202
