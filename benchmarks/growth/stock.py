"""The way of a task through Celery's own transport and result backend."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from celery import Celery
from kombu import Connection, Consumer, Queue

from .gauge import Reading
from .place import Place

_ANSWER_S = 10.0


class Stock:
    """Consumes *consumed* as a worker with one slot does; publishes to *queue*."""

    def __init__(self, place: Place, queue: str, consumed: Sequence[str]) -> None:
        self._place, self._queue = place, queue
        self._connection: Any = Connection(place.url)
        self._channel: Any = self._connection.default_channel
        self._backend: Any = Celery("growth", backend=place.url).backend
        self._consumer: Any = Consumer(
            self._channel,
            [Queue(name, channel=self._channel) for name in consumed],
            callbacks=[lambda _, message: message.ack()],
            accept=["json"],
        )
        self._consumer.qos(prefetch_count=1)
        self._consumer.consume()
        place.closing.callback(self._connection.release)

    def walk(self, count: int) -> dict[str, Reading]:
        """Let *count* tasks go all the way one by one; what waits stays as much."""
        messages = iter([_decoded(next(self._place.bodies)) for _ in range(count)])
        ids = [str(uuid4()) for _ in range(count)]
        unstored = iter(ids)
        gauge = self._place.gauge
        found = {
            "stock: publish": gauge.read(lambda: self._publish(next(messages)), count),
            "stock: take, ack": gauge.read(self._take, count),
            "stock: result": gauge.read(lambda: self._store(next(unstored)), count),
        }
        self._place.client.unlink(*(f"celery-task-meta-{id_}" for id_ in ids))
        return found

    def _publish(self, message: dict[str, Any]) -> None:
        self._channel.basic_publish(message, "", self._queue)

    def _take(self) -> None:
        self._connection.drain_events(timeout=_ANSWER_S)

    def _store(self, id_: str) -> None:
        self._backend.store_result(id_, 1, "SUCCESS")


def _decoded(body: bytes) -> dict[str, Any]:
    """Return a message as Celery gives it to the transport, which encodes it."""
    message: dict[str, Any] = json.loads(body)
    message["body"] = b64decode(message["body"]).decode()
    return message
