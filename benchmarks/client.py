"""The web process of one side: `python -m benchmarks.client MODULE`.

It sends tasks and calls the view when the runner asks: one line of JSON on standard input for each
request, one on standard output for each answer.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from flask import Flask

from .applications.settings import explicit

_COLLECT_WITHIN_S = 60


class Client:
    """What the runner can ask for; the answers are JSON."""

    def __init__(self, flask_app: Flask, echo: Any) -> None:
        self._app = flask_app
        self._http = flask_app.test_client()
        self._echo = echo
        self._sent: list[Any] = []

    def enqueue(self, count: int) -> dict[str, Any]:
        """Send *count* tasks one by one, from inside one request."""
        delay, sent = self._echo.delay, self._sent
        with self._app.test_request_context("/"):
            began = time.perf_counter()
            for number in range(count):
                sent.append(delay(number))
            return {"elapsed_s": time.perf_counter() - began}

    def enqueue_many(self, count: int, batches: int) -> dict[str, Any]:
        """Send *batches* times *count* tasks at once; plain Celery *count*, one by one."""
        enqueue_many = getattr(self._echo, "enqueue_many", None)
        if enqueue_many is None:
            answer = {**self.enqueue(count), "count": count}
            self._sent.clear()
            return answer
        calls = [((number,), {}) for number in range(count * batches)]
        with self._app.test_request_context("/"):
            began = time.perf_counter()
            kept = enqueue_many(calls)
            return {"elapsed_s": time.perf_counter() - began, "count": len(kept)}

    def send(self, count: int, countdown_s: float | None = None) -> dict[str, Any]:
        """Send *count* tasks whose results nobody awaits."""
        for number in range(count):
            self._echo.apply_async((number,), countdown=countdown_s)
        return {}

    def take(self, count: int) -> dict[str, Any]:
        """Take *count* messages as a worker does, and keep them."""
        self._taking = self._echo.app.connection_for_read()
        channel = self._taking.channel()
        taken = sum(channel.basic_get("celery") is not None for _ in range(count))
        if taken != count:
            raise AssertionError(f"{taken} messages instead of {count}")
        return {}

    def give_back(self) -> dict[str, Any]:
        """Give back what was taken."""
        self._taking.release()
        return {}

    def collect(self) -> dict[str, Any]:
        """Wait for what was sent, and check each result."""
        sent, self._sent = self._sent, []
        for number, result in enumerate(sent):
            if result.get(timeout=_COLLECT_WITHIN_S) != number:
                raise AssertionError(f"task {number} has a wrong result")
        # One wait reads what Redis has told of all those channels: no later round shall pay for it.
        self._echo.delay(0).get(timeout=_COLLECT_WITHIN_S)
        return {}

    def round_trip(self, count: int) -> dict[str, Any]:
        """Send *count* tasks, each after the result of the one before, from inside one request."""
        delay = self._echo.delay
        with self._app.test_request_context("/"):
            return _repeat(count, lambda: delay(1).get(timeout=3))

    def view(self, count: int) -> dict[str, Any]:
        """Call the hello-world view *count* times as a server's thread does, without a network."""
        return _repeat(count, self._get_view)

    def _get_view(self) -> None:
        response = self._http.get("/hello-world")
        if response.json != {"info": 1}:
            raise AssertionError(f"the view answered {response.status} {response.text}")


def _repeat(count: int, act: Callable[[], object]) -> dict[str, Any]:
    latencies_s = []
    began = time.perf_counter()
    for _ in range(count):
        sent = time.perf_counter()
        act()
        latencies_s.append(time.perf_counter() - sent)
    return {"elapsed_s": time.perf_counter() - began, "latencies_s": latencies_s}


def main() -> None:
    """Answer the runner until it closes its end."""
    application = import_module(sys.argv[1])
    client = Client(application.flask_app, application.echo)
    _answer({"settings": explicit(application.celery_app)})
    for line in sys.stdin:
        request = json.loads(line)
        act: Callable[..., dict[str, Any]] = getattr(client, request.pop("act"))
        _answer(act(**request))


def _answer(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
