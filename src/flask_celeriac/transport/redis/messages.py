"""Messages as kombu writes them: what the transport reads in them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask_celeriac.kombu_json import from_json

#: Property of a delivered message: the delivery tag that its producer gave it, which stays with
#: the message through redeliveries and is another one for each publish.
ORIGIN = "celeriac_message"
#: Property of a message that is to be published: a second publish with the same value adds
#: nothing. Never on the wire.
PUBLISH_TOKEN = "celeriac_publish_token"  # noqa: S105 - no secret


class Unreadable(ValueError):
    """The body inside a message can not be decoded; says what is wrong."""


def decoded(body: bytes) -> dict[str, Any]:
    """Return a message as kombu's virtual transports hand it on.

    Raises:
        ValueError: It is none; says what is wrong.
    """
    try:
        message = from_json(body.decode())
    except Exception as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("properties"), dict):
        raise ValueError("not a message: an object with properties is expected")
    if "body" not in message or not isinstance(message["properties"].get("delivery_info"), dict):
        raise ValueError("not a message: body or delivery_info is missing")
    if not isinstance(message.get("headers") or {}, dict):
        raise ValueError("not a message: its headers are no object")
    return message


def delay_of(message: Mapping[str, Any]) -> float:
    """Return the seconds until a Celery message is due; 0 when it is, or has no ETA."""
    return delay_until((message.get("headers") or {}).get("eta"))


def delay_until(eta: Any) -> float:
    """The same for the header `eta` of a message."""
    if not isinstance(eta, str):
        return 0.0
    try:
        due_at = datetime.fromisoformat(eta)
    except ValueError:
        return 0.0  # the worker says what is wrong with it
    now = datetime.now(UTC)
    if due_at.tzinfo is None:
        now = now.replace(tzinfo=None)
    return max((due_at - now).total_seconds(), 0.0)


def task_id_of(message: Mapping[str, Any]) -> str:
    """Return the id of the task in a Celery message, "" when it is none."""
    id_ = (message.get("headers") or {}).get("id")
    return id_ if isinstance(id_, str) else ""
