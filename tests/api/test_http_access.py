"""Who may: closed by default, each sees what is theirs, and no foreign page acts for them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import redis
from flask import Flask, abort
from flask.testing import FlaskClient
from http_shop import PREFIX, make, without_request_id

from flask_celeriac import Celeriac
from flask_celeriac.access import Ask

ORDER = f"{PREFIX}/shop.order"
TEA = {"item": {"name": "tea"}}
ANN, BOB = {"User": "ann"}, {"User": "bob"}


def closed(redis_url: str, **config: Any) -> FlaskClient:
    """Return a client of an application that says nothing of who may."""
    celeriac = Celeriac()

    @celeriac.task(name="shop.ping", expose=True)
    def ping() -> None: ...

    app = Flask("shop")
    app.config.update(CELERY_BROKER_URL=redis_url, CELERY_RESULT_BACKEND=redis_url)
    app.config.update(config)
    celeriac.init_app(app)
    app.register_blueprint(celeriac.api, url_prefix=PREFIX)
    return app.test_client()


def everything(client: FlaskClient, **options: Any) -> list[int]:
    path = f"{PREFIX}/{uuid4()}"
    return [
        client.post(f"{PREFIX}/shop.ping", **options).status_code,
        client.get(f"{PREFIX}/", **options).status_code,
        client.get(f"{PREFIX}/openapi.json", **options).status_code,
        client.get(path, **options).status_code,
        client.delete(path, **options).status_code,
        client.get(f"{path}/events", **options).status_code,
    ]


def test_all_is_closed_until_the_application_says_who_may(redis_url: str) -> None:
    assert everything(closed(redis_url)) == [403, 403, 403, 404, 404, 404]


def test_in_debug_mode_it_is_open_to_the_machine_itself_and_the_log_says_so(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = closed(redis_url, DEBUG=True)
    with caplog.at_level(logging.WARNING, "flask_celeriac"):
        near = everything(client)
        again = everything(client)
    far = everything(client, environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert near == again == [202, 200, 200, 404, 404, 404]
    assert far == [403, 403, 403, 404, 404, 404]
    assert len([r for r in caplog.records if "open to this machine" in r.message]) == 1


def test_what_the_rule_denies_is_403_or_unknown(client: FlaskClient) -> None:
    id_ = client.post(ORDER, json=TEA).json["id"]
    nobody = {"User": "nobody"}
    assert client.post(ORDER, json=TEA, headers=nobody).status_code == 403
    assert client.post(ORDER, data=b"{", headers=nobody).status_code == 403
    assert client.get(f"{PREFIX}/", headers=nobody).status_code == 403
    for method in (client.get, client.delete):
        assert method(f"{PREFIX}/{id_}", headers=nobody).status_code == 404


def test_the_rule_is_asked_for_each_thing_that_is_done(
    celeriac: Celeriac, client: FlaskClient
) -> None:
    asked: list[Ask] = []
    celeriac.access(lambda request, ask: not asked.append(ask))
    id_ = client.post(ORDER, json=TEA).json["id"]
    client.get(f"{PREFIX}/{id_}")
    client.delete(f"{PREFIX}/{id_}")
    assert asked == [
        Ask("shop.order", "submit"),
        Ask("shop.order", "read", id_),
        Ask("shop.order", "cancel", id_),
    ]


def test_only_tasks_that_may_be_listed_are(celeriac: Celeriac, client: FlaskClient) -> None:
    celeriac.access(lambda request, ask: ask.name == "shop.fail")
    listed = client.get(f"{PREFIX}/").json["tasks"]
    paths = client.get(f"{PREFIX}/openapi.json").json["paths"]
    assert [each["name"] for each in listed] == ["shop.fail"]
    assert [path for path in paths if path.startswith("/shop")] == ["/shop.fail"]


def test_a_rule_may_answer_by_itself(celeriac: Celeriac, client: FlaskClient) -> None:
    celeriac.access(lambda request, ask: abort(401))
    answer = client.post(ORDER, json=TEA)
    assert answer.status_code == answer.json["status"] == 401
    assert answer.content_type == "application/problem+json"


def test_a_task_is_found_by_its_owner_alone(client: FlaskClient) -> None:
    path = client.post(ORDER, json=TEA, headers=ANN).headers["Location"]
    assert client.get(path, headers=ANN).status_code == 200
    assert client.get(path, headers=BOB).status_code == 404
    assert client.get(path).status_code == 404
    assert client.delete(path, headers=BOB).status_code == 404
    assert client.get(path, headers=ANN).json["cancellation"] is None


_CONNECTING = ("HELLO", "AUTH", "SELECT", "CLIENT")


def seen_by(server: Any, ask: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Return an answer, and the commands that it took."""
    with server.monitor() as monitor:
        answer = ask()
        server.ping()
        commands: list[str] = []
        while (command := monitor.next_command()["command"]) != "PING":
            commands.append(command)
    # To connect is nobody's secret.
    return answer, [each for each in commands if each.split()[0] not in _CONNECTING]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_foreign_and_an_unknown_id_are_answered_by_the_same_bytes_and_commands(
    client: FlaskClient, redis_url: str, method: str
) -> None:
    foreign = client.post(ORDER, json=TEA, headers=ANN).json["id"]
    unknown = str(uuid4())
    with redis.Redis.from_url(redis_url) as server:
        found = [
            seen_by(
                server, lambda id_=id_: client.open(f"{PREFIX}/{id_}", method=method, headers=BOB)
            )
            for id_ in (foreign, unknown)
        ]
    (first, first_commands), (second, second_commands) = found
    assert first.status_code == second.status_code == 404
    assert first.data == second.data
    assert without_request_id(first) == without_request_id(second)
    assert [each.replace(foreign, "id") for each in first_commands] == [
        each.replace(unknown, "id") for each in second_commands
    ]
    assert len(first_commands) == 3


@pytest.mark.parametrize(
    "id_",
    [
        *("7cf3a4ea-e975-11f1-9f5c-02fc00000001", "56b10e4b-7d0b-5b1e-9a86-6d1a0b3f3c1e"),
        *("5CD7B56A-268D-4424-A5CA-5B490C19BCD5", "5cd7b56a268d4424a5ca5b490c19bcd5"),
        *(
            "{5cd7b56a-268d-4424-a5ca-5b490c19bcd5}",
            "urn:uuid:5cd7b56a-268d-4424-a5ca-5b490c19bcd5",
        ),
        "00000000-0000-0000-0000-000000000000",
        *("x", "%00", "celeriac-task-1", "*", "shop.order"),
    ],
)
def test_an_id_that_somebody_could_guess_is_unknown_without_a_look(
    client: FlaskClient, redis_url: str, id_: str
) -> None:
    unknown = client.get(f"{PREFIX}/{uuid4()}")
    with redis.Redis.from_url(redis_url) as server:
        answer, commands = seen_by(server, lambda: client.get(f"{PREFIX}/{id_}"))
    assert (answer.status_code, answer.data) == (404, unknown.data)
    assert without_request_id(answer) == without_request_id(unknown)
    assert commands == []


def test_a_task_whose_exposure_ended_is_unknown(celeriac: Celeriac, client: FlaskClient) -> None:
    path = client.post(ORDER, json=TEA).headers["Location"]
    del celeriac._exposures["shop.order"]
    assert client.get(path).status_code == 404


SAME, NONE = {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}


@pytest.mark.parametrize("headers", [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:8080"},
    {"Origin": "null"},
])  # fmt: skip
def test_a_foreign_page_can_not_act_with_a_cookie(
    client: FlaskClient, headers: dict[str, str], redis_url: str
) -> None:
    path = client.post(ORDER, json=TEA).headers["Location"]
    client.set_cookie("session", "1")
    for answer in (
        client.post(ORDER, json=TEA, headers=headers),
        client.delete(path, headers=headers),
    ):
        assert answer.status_code == 403
        assert answer.content_type == "application/problem+json"
    assert client.get(path, headers=headers).json["cancellation"] is None
    with redis.Redis.from_url(redis_url) as server:
        assert server.llen("celery") == 1


@pytest.mark.parametrize("headers", [
    SAME,
    NONE,
    {"Origin": "http://localhost"},
    {"Origin": "http://LOCALHOST"},
    {},
    {"Authorization": "Bearer x", "Sec-Fetch-Site": "cross-site"},
])  # fmt: skip
def test_ones_own_page_and_programs_can(client: FlaskClient, headers: dict[str, str]) -> None:
    client.set_cookie("session", "1")
    path = client.post(ORDER, json=TEA, headers=headers).headers["Location"]
    assert client.delete(path, headers=headers).status_code == 202


def test_without_a_cookie_nobody_acts_in_the_name_of_another(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}
    assert client.post(ORDER, json=TEA, headers=headers).status_code == 202


CANARY = "c4nary-passw0rd"


def test_no_password_is_told(
    redis_url: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked, with servers that answer and servers that do not."""
    password = redis_url.partition("@")[0].rpartition(":")[2]
    assert password, "the server of the tests has one"
    dead = f"redis://:{CANARY}@127.0.0.1:1/0"
    told: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for broker, results in ((redis_url, redis_url), (dead, dead), (dead, redis_url)):
            celeriac, app = make(
                CELERY_BROKER_URL=broker, CELERY_RESULT_BACKEND=results, DEBUG=True
            )
            client = app.test_client()
            path = f"{PREFIX}/{uuid4()}"
            for answer in (
                client.post(ORDER, json=TEA),
                client.post(ORDER, json=TEA, headers={"Idempotency-Key": "x"}),
                client.post(ORDER, json={}),
                client.get(path),
                client.delete(path),
                client.get(f"{PREFIX}/"),
                client.get(f"{PREFIX}/openapi.json"),
            ):
                told += [answer.text, str(answer.headers)]
            told += map(repr, (celeriac, celeriac.api, app.extensions["celeriac"], celeriac.celery))
            told += map(repr, (celeriac._exposures, celeriac._access, celeriac.celery.conf))
    told += [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]
    assert not [text for text in told if CANARY in text or password in text]


def test_waits_end_whatever_the_client_prefers(
    client: FlaskClient, app: Flask, shop_config: dict[str, object]
) -> None:
    import time

    _, app = make(**shop_config, CELERIAC_MAX_WAIT=0.3)
    client = app.test_client()
    path = client.post(ORDER, json=TEA).headers["Location"]
    began = time.monotonic()
    answer = client.get(path, headers={"Prefer": "wait=3600"})
    assert 0.25 < time.monotonic() - began < 2
    assert answer.json["state"] == "PENDING"
    assert answer.headers["Preference-Applied"] == "wait=0.3"
