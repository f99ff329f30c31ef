"""Arguments by HTTP: what is taken, what is refused and where, and what the task gets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from http_shop import PREFIX
from pydantic import SecretStr

from flask_celeriac import Celeriac
from flask_celeriac.errors import ConfigurationError

Sent = Callable[..., list[dict[str, object]]]
ORDER, ANYTHING = f"{PREFIX}/shop.order", f"{PREFIX}/shop.take_anything"


def pointers(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    assert answer.content_type == "application/problem+json"
    return {each["pointer"]: each["detail"] for each in answer.json["errors"]}


def test_the_task_gets_the_json_forms_of_what_was_read(client: FlaskClient, sent: Sent) -> None:
    body = {"item": {"name": "tea"}, "quantity": "3", "due": "2026-02-28", "kind": "gift"}
    assert client.post(ORDER, json=body).status_code == 202
    assert sent() == [
        {
            "item": {"name": "tea", "weight_kg": 0.5, "tags": []},
            "quantity": 3,
            "due": "2026-02-28",
            "kind": "gift",
        }
    ]


def test_what_is_not_given_is_left_to_the_function(client: FlaskClient, sent: Sent) -> None:
    client.post(ORDER, json={"item": {"name": "tea"}})
    assert list(sent()[0]) == ["item"]


def test_no_body_is_no_arguments(client: FlaskClient, sent: Sent) -> None:
    assert client.post(f"{PREFIX}/shop.fail").status_code == 202
    assert sent() == [{}]


def test_each_wrong_field_is_pointed_at(client: FlaskClient, sent: Sent) -> None:
    body = {
        "item": {"weight_kg": "heavy", "tags": ["a", 2]},
        "quantity": 0,
        "due": "soon",
        "kind": "other",
        "a/b~c d": 1,
    }
    found = pointers(client.post(ORDER, json=body))
    assert set(found) == {
        *("#/item/name", "#/item/weight_kg", "#/item/tags/1"),
        *("#/quantity", "#/due", "#/kind", "#/a~1b~0c%20d"),
    }
    assert found["#/item/name"] == "Field required"
    assert found["#/quantity"] == "Input should be greater than 0"
    assert sent() == []


def test_a_union_is_pointed_at_where_it_is(client: FlaskClient) -> None:
    answer = client.post(ORDER, json={"item": {"name": "tea"}, "code": ["x"]})
    assert set(pointers(answer)) == {"#/code", "#/code/0"}


@pytest.mark.parametrize(
    "body",
    [
        {"item": {"name": "s3cret-value"}, "quantity": "s3cret-value"},
        {"item": "s3cret-value"},
        {"item": {"name": "tea"}, "due": "s3cret-value", "kind": "s3cret-value"},
        {"item": {"name": "tea"}, "code": ["s3cret-value"]},
    ],
)
def test_no_value_is_told_back(client: FlaskClient, body: dict[str, Any]) -> None:
    answer = client.post(ORDER, json=body)
    assert answer.status_code == 422
    assert "s3cret" not in answer.text


def test_a_validator_that_tells_the_value_is_not_quoted(client: FlaskClient) -> None:
    answer = client.post(ORDER, json={"item": {"name": "unicorn"}})
    assert pointers(answer) == {"#/item/name": "Value is refused by the application"}


def test_keywords_and_what_has_no_annotation_may_be_anything(
    client: FlaskClient, sent: Sent
) -> None:
    body = {"first": [1, {"a": None}], "other": "x", "self": 1}
    assert client.post(ANYTHING, json=body).status_code == 202
    assert sent() == [body]
    assert pointers(client.post(ANYTHING, json={})) == {"#/first": "Field required"}


def test_a_parameter_may_be_called_as_a_model_is(client: FlaskClient, sent: Sent) -> None:
    assert client.post(f"{PREFIX}/shop.fail", json={"json": [1]}).status_code == 202
    assert sent() == [{"json": [1]}]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b'{"first": NaN}', 400),
        (b'{"first": Infinity}', 400),
        (b'{"first": 1e999}', 400),
        (b'{"first": 1, "first": 2}', 400),
        (b'{"first": {"a": 1, "a": 2}}', 400),
        (b'{"first": "\\ud800"}', 400),
        (b'{"first": ' + b"9" * 5000 + b"}", 400),
        (b'{"first": ' + b"[" * 64 + b"]" * 64 + b"}", 400),
        (b"[" * 100_000, 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"text"', 422),
    ],
)
def test_what_is_no_object_in_json_is_refused(
    client: FlaskClient, sent: Sent, data: bytes, status: int
) -> None:
    answer = client.post(ANYTHING, data=data, content_type="application/json")
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert sent() == []


def test_json_may_be_63_deep(client: FlaskClient) -> None:
    data = b'{"first": ' + b"[" * 63 + b"]" * 63 + b"}"
    assert client.post(ANYTHING, data=data, content_type="application/json").status_code == 202


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_another_content_type_is_refused(client: FlaskClient, content_type: str | None) -> None:
    answer = client.post(ANYTHING, data=b'{"first": 1}', content_type=content_type)
    assert answer.status_code == 415


def post_raw(client: FlaskClient, stream: Any, **environ: object) -> Any:
    overrides = {"wsgi.input": stream, "CONTENT_TYPE": "application/json", **environ}
    return client.post(ANYTHING, environ_overrides=overrides)


def test_a_body_that_is_too_long_is_not_read(client: FlaskClient) -> None:
    class Stream:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("it is read")

    answer = post_raw(client, Stream(), CONTENT_LENGTH="262145")
    assert answer.status_code == 413
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(("length", "status"), [(262_144, 202), (262_145, 413), (10**6, 413)])
def test_a_body_in_chunks_is_read_as_far_as_it_may_be(
    client: FlaskClient, length: int, status: int
) -> None:
    text = b'{"first": ""}'
    stream = BytesIO(b" " * (length - len(text)) + text)
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert post_raw(client, stream, **chunked).status_code == status
    assert stream.tell() <= 262_145


def test_the_limit_of_the_application_holds_where_it_is_less(
    client: FlaskClient, app: Flask
) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 10
    assert client.post(ANYTHING, json={"first": "more than ten"}).status_code == 413


def test_what_json_has_no_form_for_is_refused_when_it_is_described(
    celeriac: Celeriac, app: Flask, client: FlaskClient
) -> None:
    @celeriac.task(name="shop.login", expose=True)
    def login(password: SecretStr) -> None: ...

    @celeriac.task(name="shop.answer", expose=True)
    def answer(to: Flask) -> None: ...

    app.config["PROPAGATE_EXCEPTIONS"] = True
    for name, word in (("shop.login", "secret"), ("shop.answer", "Flask")):
        with pytest.raises(ConfigurationError, match=word):
            client.post(f"{PREFIX}/{name}", json={})


def test_what_can_not_be_named_is_not_exposed(celeriac: Celeriac) -> None:
    def positional(number: int, /) -> None: ...

    with pytest.raises(TypeError, match="'number' is positional-only"):
        celeriac.task(name="shop.positional", expose=True)(positional)
    with pytest.raises(ValueError, match="slash"):
        celeriac.task(name="shop/slash", expose=True)(lambda: None)


def test_pydantic_is_not_imported_before_it_is_needed() -> None:
    program = (
        "import sys\nsys.path.insert(0, '.')\nfrom flask import Flask\n"
        "from flask_celeriac import Celeriac\n"
        "c = Celeriac()\napp = Flask('a')\napp.config['CELERY_BROKER_URL'] = 'redis://localhost'\n"
        "def x(): ...\nc.task(name='x', expose=True)(x)\nc.init_app(app)\n"
        "app.register_blueprint(c.api)\nprint(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "flask_celeriac.api.submit" in loaded, done.stderr
    assert not loaded & {"pydantic", "redis", "kombu.transport.redis"}


def test_the_model_of_a_task_is_made_once(client: FlaskClient, monkeypatch: Any) -> None:
    from flask_celeriac.api import arguments

    made = []
    real = arguments._model
    monkeypatch.setattr(arguments, "_model", lambda *a: made.append(a[0]) or real(*a))
    for _ in range(3):
        client.post(ORDER, json={"item": {"name": "tea"}})
        client.get(f"{PREFIX}/openapi.json")
    assert made.count("shop.order") == 1


def test_the_schema_says_what_is_taken(client: FlaskClient) -> None:
    found = {each["name"]: each for each in client.get(f"{PREFIX}/").json["tasks"]}
    order = found["shop.order"]
    assert order["summary"] == "Order something."
    assert order["links"] == {"submit": ORDER}
    assert list(order["arguments"]["properties"]) == ["item", "quantity", "due", "kind", "code"]
    assert order["arguments"]["required"] == ["item"]
    assert order["arguments"]["additionalProperties"] is False
    assert order["arguments"]["properties"]["quantity"]["exclusiveMinimum"] == 0
    assert order["options"] == {
        "countdown": {"type": "number", "minimum": 0, "maximum": 3600},
        "priority": {"type": "integer", "enum": [0, 9]},
        "queue": {"type": "string", "enum": ["mail", "slow"]},
    }
    assert list(found["shop.count"]["arguments"]["properties"]) == ["number"]
    assert found["shop.take_anything"]["arguments"]["additionalProperties"] is True
    assert "shop.hidden" not in found
    assert json.dumps(found)
