"""Tell those who wait for a task that it is a dead letter."""

from __future__ import annotations

import base64
import logging
from collections.abc import Container
from typing import Any

from celery import Celery
from celery.app.task import Context
from kombu.exceptions import OperationalError
from kombu.serialization import loads, prepare_accept_content
from redis.exceptions import RedisError

from flask_celeriac.errors import TaskIsDead
from flask_celeriac.transport.redis.messages import decoded, task_id_of
from flask_celeriac.transport.redis.replies import DeadLetter
from flask_celeriac.transport.redis.store import MessageStore

logger = logging.getLogger(__name__)


def report(celery: Celery, store: MessageStore, queues: Container[str]) -> int:
    """Write a FAILURE result for each dead letter of *queues* that has none yet.

    Returns:
        How many there were. Repeating it after a crash writes the same results again.

    Raises:
        redis.exceptions.RedisError: Some may not have been told; safe to repeat.
    """
    count = 0
    for number in store.unreported():
        letter = store.dead_letter(number)
        if letter is None or letter.queue in queues:
            if letter is not None:
                _tell(celery, letter)
                count += 1
            store.report(number)
    return count


def _tell(celery: Celery, letter: DeadLetter) -> None:
    try:
        message = decoded(letter.body)
    except ValueError:
        return  # nobody can know its id
    id_ = task_id_of(message)
    if not id_:
        return
    name = message["headers"].get("task")
    error = TaskIsDead(f"The task {name!r} is a dead letter: {letter.reason}.")
    try:
        celery.backend.mark_as_failure(id_, error, request=_context(celery, message))
    except (RedisError, OSError, OperationalError):
        raise
    except Exception:
        # Celery stores before it calls: what is wrong are the callbacks in the message.
        logger.exception("Callbacks of the dead letter %s can not be called", id_)


def _context(celery: Celery, message: dict[str, Any]) -> Context:
    """Return what error callbacks and chords need to know of the task."""
    headers = dict(message["headers"])
    try:
        embed = _embed(celery, message)
    except Exception as error:
        logger.warning("Callbacks of the dead letter %s are not called: %s", headers["id"], error)
        embed = {}
    known = ("errbacks", "chord", "callbacks", "chain")
    callbacks = {name: embed.get(name) for name in known}
    delivery_info = message["properties"]["delivery_info"]
    return Context(headers, **callbacks, args=(), kwargs={}, delivery_info=delivery_info)


def _embed(celery: Celery, message: dict[str, Any]) -> dict[str, Any]:
    body = message["body"]
    if message["properties"].get("body_encoding") == "base64":
        body = base64.b64decode(body)
    accept = prepare_accept_content(celery.conf.accept_content)
    kind, encoding = message.get("content-type", ""), message.get("content-encoding", "")
    embed = loads(body, kind, encoding, accept=accept)[2]
    if not isinstance(embed, dict):
        raise ValueError("they are no object")
    return embed
