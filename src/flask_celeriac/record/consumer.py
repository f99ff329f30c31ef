"""Celery's extension point for waiting, filled by the registry of the process.

Of the stock consumer nothing is used that opens a connection or keeps one: it subscribes when a
task is sent, from the thread that sends, and each thread that waits reads the socket itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from celery.backends.asynchronous import BaseResultConsumer

from .registry import Registry
from .waiting import OnInterval, OnMessage, Wait, each_of_set


class ResultConsumer(BaseResultConsumer):
    """Waits on the one connection of the process, on which somebody listens."""

    backend: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._registries: dict[int, Registry] = {}

    @property
    def registry(self) -> Registry:
        """Of this process: what a fork has inherited is left alone."""
        pid = os.getpid()
        if (registry := self._registries.get(pid)) is None:
            # Threads that come here at the same time must get the same one.
            registry = self._registries.setdefault(pid, Registry(self.backend))
        return registry

    def forget_result(self, result: Any) -> None:
        """Wait for *result* no longer. Called for every result object that is deleted."""
        if (registry := self._registries.get(os.getpid())) is not None:
            registry.remove(result)

    def each(
        self,
        nodes: list[Any],
        timeout: float | None = None,
        on_message: OnMessage = None,
        on_interval: OnInterval = None,
    ) -> Iterator[Any]:
        """Give each of *nodes*, results and sets of results, when it is there.

        Raises:
            celery.exceptions.TimeoutError: Some were not there after *timeout* seconds.
        """

        def wait_for(results: list[Any]) -> Wait:
            return Wait(
                self.registry,
                results,
                timeout_s=timeout,
                on_message=on_message,
                on_interval=on_interval,
            )

        return each_of_set(nodes, wait_for)

    def _wait_for_pending(
        self,
        result: Any,
        timeout: float | None = None,
        on_interval: OnInterval = None,
        on_message: OnMessage = None,
        **_options: Any,
    ) -> Iterator[None]:
        """What `AsyncResult.get` comes to, after it has called `add_pending_result`."""
        try:
            for _ in self.each([result], timeout, on_message, on_interval):
                yield
        finally:
            self.registry.release(result)

    def consume_from(self, task_id: str) -> None:
        """Nothing: who waits subscribes."""

    def cancel_for(self, task_id: str) -> None:
        """Nothing: a result object that is forgotten leaves by itself."""

    def start(self, initial_task_id: str, **_options: Any) -> None:
        """Nothing: the listener starts when somebody waits."""

    def drain_events(self, timeout: float | None = None) -> None:
        """Nothing: the listener reads."""
