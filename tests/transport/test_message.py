"""What a delivered message holds is what kombu finds in it, errors included."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import serialization
from kombu.transport import virtual

from flask_celeriac import kombu_json
from flask_celeriac.transport.redis.channel import Channel
from flask_celeriac.transport.redis.message import Message


class Plain:
    """A channel that decodes no body."""

    def decode_body(self, body: Any, encoding: Any = None) -> Any:
        return body


def content(kind: Any, accept: set[str] | None, body: Any, names: dict[str, Any]) -> Any:
    raw = {
        "body": body,
        "headers": {},
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "properties": {"delivery_tag": "1", "delivery_info": {}},
        **names,
    }
    message = kind(raw, channel=Plain())
    message.accept = accept
    try:
        return message.decode(), message.payload
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("accept", [None, {"application/json"}, {"application/x-yaml"}, set()])
@pytest.mark.parametrize(
    ("body", "names"),
    [
        ('[[1], {"b": 2}, {"chain": null}]', {}),
        ('{"__type__": "uuid", "__value__": {"hex": "00000000000000000000000000000001"}}', {}),
        ('{"__type__": "unknown", "__value__": 1}', {}),
        ("[123456789012345678901234567890, NaN, 1e400]", {}),
        ('"\\ud800"', {}),
        ("[]", {}),
        ("", {}),
        (None, {}),
        ("[1", {}),
        ("[" * 100_000, {}),
        (b"\xff", {}),
        ('["\u00fc"]', {"content-encoding": "UTF-8"}),
        ('["\u00fc"]', {"content-encoding": "latin-1"}),
        ("[1]", {"content-encoding": None}),
        ("[1]", {"content-type": None}),
        ("[1]", {"content-type": "text/plain"}),
        ("gASVAg==", {"content-type": "application/x-python-serialize"}),
    ],
)
def test_it_is_the_same(accept: set[str] | None, body: Any, names: dict[str, Any]) -> None:
    ours = content(Message, accept, body, names)
    assert repr(ours) == repr(content(virtual.Message, accept, body, names))


def test_the_channel_makes_such_messages() -> None:
    assert Channel.Message is Message


def test_another_json_of_the_users_own_is_not_passed_over() -> None:
    assert kombu_json.is_stock()
    mine = (lambda _: '"mine"', lambda _: "mine")
    try:
        serialization.register("json", *mine, kombu_json.CONTENT_TYPE, "utf-8")
        assert not kombu_json.is_stock()
    finally:
        serialization.register_json()
    assert kombu_json.is_stock()
