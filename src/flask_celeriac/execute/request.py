"""A task on its way through a worker; `FlaskTask` names this class to Celery."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from celery.app.task import Context
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.worker import request as celery_request
from celery.worker import state

from flask_celeriac.declare import recorded
from flask_celeriac.errors import CeleriacError
from flask_celeriac.record.journal.find import journal_of
from flask_celeriac.transport.redis.channel import Channel
from flask_celeriac.transport.redis.keys import claim_of

from .abilities import say_once_that_limits_are_not_kept

# What `Context` has attributes for, or leaves out of the headers of a task; all others are custom.
_NOT_CUSTOM = frozenset({*vars(Context), "lang", "task", "argsrepr", "kwargsrepr", "compression"})

logger = logging.getLogger(__name__)


class ClaimEndedError(Exception):
    """A task waited in the pool until its claim had ended: it does not start here."""


class Request(celery_request.Request):
    """Celery's, but a task that ended its pool process is counted by our transport.

    Attributes:
        is_run_here: Of the class: whether the pool runs tasks in this process.
    """

    is_run_here: ClassVar[bool] = False
    _is_lost = False
    _is_storing = False
    _settling: Callable[[], None] | None = None

    def __init__(self, message: Any, **options: Any) -> None:
        super().__init__(message, **options)
        if message.headers and "headers" not in message.headers:
            # `Context` would find them for each run by going through its own class.
            custom = {key: message.headers[key] for key in message.headers.keys() - _NOT_CUSTOM}
            if custom:
                self.request_dict["headers"] = custom

    @property
    def body(self) -> Any:
        """What is sent to the pool: decoded already, where it stays in this process."""
        return self.message.payload if self._is_decoded else super().body

    @property
    def content_type(self) -> Any:
        """As in Celery: None says that the body is decoded."""
        return None if self._is_decoded else super().content_type

    @property
    def _is_decoded(self) -> bool:
        return self.is_run_here and super().content_type is not None

    def revoked(self) -> bool:
        """As in Celery; of an exposed task also where another process has cancelled it.

        Our transport knows that itself, when it takes the message.
        """
        if not isinstance(self.message.channel, Channel) and recorded.is_exposed(self.task):
            with suppress(CeleriacError):
                if journal_of(self.task.app).cancellation(self.id) is not None:
                    state.revoked.add(self.id)
        return bool(super().revoked())

    def on_accepted(self, pid: Any, time_accepted: float) -> None:
        """As in Celery; called by a thread or greenlet of the pool right before it runs the task.

        Raises:
            ClaimEndedError: The process was frozen while the task waited for a thread, and others
                may have the message. The task is not run; what is left of its claim goes back.
            greenlet.GreenletExit: The same in a greenlet.
        """
        end = _end_of_run_here(pid)
        if end is not None and not self._has_claim():
            state.task_ready(self)
            self.reject(requeue=True)
            raise end(self.id)
        if pid == os.getpid() and any(self.time_limits):
            self._say_of_limits()
        super().on_accepted(pid, time_accepted)

    def _say_of_limits(self) -> None:
        """Threads and the main process keep none; the task's own were named at the start."""
        task = self.task
        if [*self.time_limits] != [task.time_limit, task.soft_time_limit]:
            say_once_that_limits_are_not_kept(str(self.name), self.time_limits)

    def _has_claim(self) -> bool:
        channel, claim = self.message.channel, claim_of(self.message.delivery_tag)
        return not isinstance(channel, Channel) or not claim or channel.claimant.has(claim[1])

    @property
    def can_bring(self) -> bool:
        """Whether the result of the task may be stored with the end of its claim."""
        channel = self.message.channel
        return (
            isinstance(channel, Channel)
            and bool(self.task.acks_late)
            and not self.ignore_result
            and channel.claimant.is_lasting
            and channel.qos.number(self.message.delivery_tag) is not None
        )

    def bring(self, value: str | bytes) -> None:
        """Keep the encoded result of the task until its claim ends."""
        channel = self.message.channel
        number = channel.qos.number(self.message.delivery_tag)
        if number is not None:
            backend: Any = self.task.backend
            outcome = backend.outcome(self.id, value, lambda: Context(self.request_dict))
            channel.claimant.bring(number, outcome)

    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> Any:
        """As in Celery, but the result is stored before the message is acknowledged.

        While the worker has the message, nobody takes the result for that of a late run.
        """
        # A pool process sends an error in a wrapper that holds it as `exc`.
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        # A cold shutdown ends the pool's processes too, and that is nobody's fault.
        self._is_lost = (
            isinstance(error, (WorkerLostError, SystemExit)) and state.should_terminate is None
        )
        self._is_storing = True
        try:
            return super().on_failure(exc_info, send_failed_event, return_ok)
        finally:
            # A hard time limit is told twice: `on_timeout` stores the same result again.
            if return_ok or not isinstance(error, TimeLimitExceeded):
                self._settle()

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """As in Celery; what `on_failure` left to be done comes after it."""
        self._is_storing = not soft
        try:
            super().on_timeout(soft, timeout)
        finally:
            if not soft:
                self._settle()

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """As in Celery, but `REVOKED` is stored before the message is acknowledged.

        The end of a greenlet acknowledges it too, and may come first.
        """
        self._is_storing = True
        try:
            super().terminate(pool, signal)
        finally:
            self._settle()

    def acknowledge(self) -> None:
        """As in Celery, at once.

        Celery leaves it to the event loop, which does not turn any more while a worker that ends
        waits for its tasks; what is done would be given back with what is not.
        """
        if self.acknowledged or not isinstance(self.message.channel, Channel):
            super().acknowledge()
            return
        self.acknowledged = True
        self._note_run()
        self._when_stored(partial(self.message.ack_log_error, logger, self.connection_errors))

    def reject(self, requeue: bool = False) -> None:
        """As in Celery; what ended its process too often becomes a dead letter."""
        channel = self.message.channel
        self._note_run()
        if requeue and self._is_lost and isinstance(channel, Channel) and not self.acknowledged:
            channel.crash(self.message.delivery_tag)
            self.acknowledged = True
        elif self._is_storing and not requeue and not self.acknowledged:
            self.acknowledged = True
            self._when_stored(
                partial(self.message.reject_log_error, logger, self.connection_errors, requeue)
            )
            self.send_event("task-rejected", requeue=requeue)
        else:
            super().reject(requeue=requeue)

    def _note_run(self) -> None:
        """Say how long the task ran: that tells how many to take ahead.

        One that is acknowledged at its start has not run yet.
        """
        channel = self.message.channel
        if self.time_start and self.task.acks_late and isinstance(channel, Channel):
            channel.claimant.hand.note_run(max(time.time() - self.time_start, 0.0))

    def _when_stored(self, settling: Callable[[], None]) -> None:
        if self._is_storing:
            self._settling = settling
        else:
            settling()

    def _settle(self) -> None:
        self._is_storing = False
        settling, self._settling = self._settling, None
        if settling is not None:
            settling()


def _end_of_run_here(pid: Any) -> type[BaseException] | None:
    """Return what ends a run by *pid*; None where that is another process, or the consumer."""
    if pid == os.getpid():
        is_in_pool = threading.current_thread() is not threading.main_thread()
        return ClaimEndedError if is_in_pool else None
    # Celery's green pools name the greenlet in place of a process.
    greenlet = sys.modules.get("greenlet")
    if greenlet is not None and pid == id(greenlet.getcurrent()):
        end: type[BaseException] = greenlet.GreenletExit
        return end
    return None
