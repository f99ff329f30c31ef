"""The worker's state file. `health.attach` names this bootstep to a Celery app."""

from __future__ import annotations

import atexit
import logging
import time
from collections.abc import Mapping
from typing import Any

from celery import bootsteps, signals
from celery.worker import state

from flask_celeriac.health.attach import state_dir_of
from flask_celeriac.health.heartbeat import Heartbeat
from flask_celeriac.health.state_file import StateFile, named_folder

from .lookout import Lookout, busy, slots

#: A blueprint's last state; a constant of `celery.bootsteps` that its stubs leave out.
_ENDED: int = bootsteps.TERMINATE  # type: ignore[attr-defined]

logger = logging.getLogger(__name__)


class VitalSigns(bootsteps.StartStopStep):
    """Beats, and looks whether the worker looks for work, from the first task to the last.

    Starts after the pool: its first children are forked before there are threads.
    """

    requires = ("celery.worker.components:Pool",)
    label = "VitalSigns"

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._heartbeat: Heartbeat | None = None
        self._lookout: Lookout | None = None
        self._state = "running"
        self._started_s = time.monotonic()

    def start(self, worker: Any) -> None:
        """Write the first state and begin; a folder that can not be written is only logged."""
        self._lookout = Lookout(worker)
        try:
            file = StateFile("worker", named_folder(state_dir_of(worker.app)))
            heartbeat = Heartbeat(file, lambda: self._facts(worker))
            heartbeat.start()
        except OSError as error:
            logger.warning("No state file, so health probes will fail: %s", error)
            return
        self._heartbeat = heartbeat
        atexit.register(self._end)
        signals.worker_shutdown.connect(self._on_shutdown, sender=worker)
        self._lookout.start()

    def close(self, worker: Any) -> None:  # noqa: ARG002
        """The worker takes no more messages, but its tasks may run on for long: still well."""
        self._state = "stopping"
        if self._lookout:
            self._lookout.stop()

    def stop(self, worker: Any) -> None:
        """Go on beating: the pool, stopped after this step, waits for running tasks."""

    def terminate(self, worker: Any) -> None:  # noqa: ARG002
        """End at once: a cold shutdown waits for nothing, and sends no `worker_shutdown`."""
        self._end()

    def _on_shutdown(self, **_: Any) -> None:
        self._end()

    def _end(self) -> None:
        atexit.unregister(self._end)
        if self._heartbeat:
            self._heartbeat.stop()

    def _facts(self, worker: Any) -> Mapping[str, Any] | None:
        """Return what is known of *worker*, or None when it has ended."""
        if worker.blueprint.state == _ENDED:
            return None
        now_s = time.monotonic()
        lookout = self._lookout
        look_s = lookout.look_s if lookout else None
        if lookout and look_s and lookout.is_stifled(now_s) and state.active_requests:
            look_s = now_s
        return {
            "name": worker.hostname,
            "state": self._state,
            "started_s": self._started_s,
            "look_s": look_s,
            "why": lookout.why if lookout else "",
            "pool": type(worker.pool).__module__.rpartition(".")[2],
            "slots": slots(worker),
            "busy": busy(worker),
            "queues": list(lookout.queues) if lookout else [],
        }
