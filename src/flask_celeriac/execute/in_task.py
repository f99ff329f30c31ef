"""What a `Celeriac` object offers to running tasks, and to those who want them to end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from . import cancel as _cancelling
from . import progress as _telling

if TYPE_CHECKING:
    from flask_celeriac.declare.result import AsyncResult

T = TypeVar("T")


class InTask:
    """A part of `Celeriac`."""

    @property
    def celery(self) -> Any:
        """The Celery app that is meant here."""
        raise NotImplementedError

    def progress(
        self,
        current: float,
        total: float | None = None,
        message: str | None = None,
        **more: Any,
    ) -> None:
        """Tell how far the running task is; outside of tasks nothing.

        The state becomes ``PROGRESS``, and the result a mapping with *current*, *total*, *message*,
        *more*, ``percent`` (0 to 100), ``rate`` (a second) and ``eta_s`` (seconds left), each None
        where it is not known. Told at most ten times a second (``CELERIAC_PROGRESS_INTERVAL``), the
        first and the last always; whatever is wrong with it, the task goes on.

        Args:
            current: Done so far, in any unit.
            total: All of it.
            message: For people; 1000 characters are told.
            more: JSON values, together at most 64 KiB; what is more is left out, with a warning.

        Raises:
            TaskCancelled: Somebody has cancelled the task.
        """
        _telling.progress(current, total, message, **more)

    def track(
        self, iterable: Iterable[T], total: float | None = None, message: str | None = None
    ) -> Iterator[T]:
        """Give the items of *iterable*, and tell after each how far the running task is.

        Args:
            total: How many there are; by default what `len` says, where it says something.
            message: For people.

        Raises:
            TaskCancelled: Somebody has cancelled the task.
        """
        return _telling.track(iterable, total, message)

    def raise_if_cancelled(self) -> None:
        """End the running task if somebody has cancelled it; asks at most twice a second.

        Raises:
            TaskCancelled: Let it pass: the state of the task becomes ``REVOKED``.
        """
        _cancelling.raise_if_cancelled()

    def cancel(
        self,
        task: str | AsyncResult[Any],
        *,
        reason: str | None = None,
        by: str | None = None,
        terminate_after_s: float | None = None,
    ) -> None:
        """Cancel a task, by its result or its id. Safe to repeat; the first reason holds.

        One that has not started never will, whatever is restarted. One that runs ends where it
        calls `progress`, `track` or `raise_if_cancelled`.

        Args:
            reason: For people; part of the error that its result becomes.
            by: Who wants it.
            terminate_after_s: Seconds after which its process or greenlet is ended, if it still
                runs; pools of threads can not. None: never.

        Raises:
            ResultBackendUnavailable, kombu.exceptions.OperationalError: It may be cancelled or not.
        """
        id_ = task if isinstance(task, str) else task.id
        _cancelling.cancel(
            self.celery, id_, reason=reason, by=by, terminate_after_s=terminate_after_s
        )
