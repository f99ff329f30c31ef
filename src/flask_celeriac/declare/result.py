"""Results whose waiting ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

from celery import result as celery_result
from celery.backends.asynchronous import (  # type: ignore[attr-defined]
    E_RETRY_LIMIT_EXCEEDED,  # pyright: ignore[reportAttributeAccessIssue]
)
from celery.backends.base import DisabledBackend
from celery.exceptions import TimeoutError as CeleryTimeoutError
from flask import has_request_context

from flask_celeriac.errors import ResultBackendMissing, ResultBackendUnavailable, ResultTimeout

R = TypeVar("R")


def name_lost_backend(error: RuntimeError, consequence: str) -> None:
    """Raise `ResultBackendUnavailable` if *error* is what Celery reports a lost backend as."""
    if str(error) == E_RETRY_LIMIT_EXCEEDED:
        raise ResultBackendUnavailable.because(error.__cause__, consequence) from error


def _require(backend: Any) -> None:
    if isinstance(backend, DisabledBackend):
        raise ResultBackendMissing(
            "A result was asked for, but no result backend is configured: set "
            "CELERY_RESULT_BACKEND, or do not ask for the result of the task."
        )


class _Waiting:
    """What waiting for one result and for many have in common."""

    app: Any
    backend: Any

    def _wait(self, wait: Callable[..., Any], timeout: float | None, **options: Any) -> Any:
        _require(self.backend)
        if timeout is None and has_request_context():
            timeout = self.app.celeriac.settings.result_timeout_s
        began = time.monotonic()
        try:
            return wait(timeout=timeout, **options)
        except RuntimeError as error:
            name_lost_backend(error, "The task may still run; ask again later.")
            raise
        except CeleryTimeoutError as error:
            # A task may itself have failed with this class: only our own deadline is renamed.
            if timeout is None or time.monotonic() - began < timeout:
                raise
            raise ResultTimeout(
                f"No result of {self} after {timeout:g} s. The task may still run; ask again later."
            ) from error


class AsyncResult(_Waiting, celery_result.AsyncResult, Generic[R]):  # type: ignore[type-arg]
    """Celery's `AsyncResult`, typed, and with waits that end.

    Attributes:
        sent_at_s: When its task began to be sent here, in seconds of the monotonic clock; 0:
            unknown.
        is_awaited: Whether a thread has begun to wait for it in `get`.
    """

    sent_at_s = 0.0
    is_awaited = False

    def get(self, timeout: float | None = None, **options: Any) -> R:  # type: ignore[override]
        """Wait for the task and return its result.

        Args:
            timeout: Seconds, 0 or more. None: inside a request, ``CELERIAC_RESULT_TIMEOUT``
                (30 s by default); elsewhere without end.
            options: As Celery's.

        Raises:
            ResultTimeout: No result in time; both Celery's `TimeoutError` and the built-in one.
                The task may still run; safe to repeat.
            ResultBackendMissing: No result backend is configured.
            Exception: What the task raised.
        """
        self.is_awaited = True
        try:
            result: R = self._wait(super().get, timeout, **options)
        finally:
            self.is_awaited = False
        return result

    def wait(self, timeout: float | None = None, **options: Any) -> R:  # type: ignore[override]
        """The same as :meth:`get`."""
        return self.get(timeout, **options)

    def _get_task_meta(self) -> Any:
        # All that tells of the task without waiting (`state`, `ready()`, `info` ...) asks here.
        _require(self.backend)
        try:
            return super()._get_task_meta()  # type: ignore[misc]
        except getattr(self.backend, "connection_errors", ()) as error:
            raise ResultBackendUnavailable.because(error) from error

    def __del__(self) -> None:
        # Celery unsubscribes here; there is nobody to tell that the backend is gone.
        try:  # noqa: SIM105 - a `with` would cost each task a microsecond
            super().__del__()
        except Exception:  # noqa: S110
            pass


class ResultSet(_Waiting, celery_result.ResultSet):
    """Celery's `ResultSet`, with waits that end."""

    def join(self, timeout: float | None = None, **options: Any) -> Any:  # type: ignore[override]
        """Wait for all, one by one; their results in order. See :meth:`AsyncResult.get`."""
        return self._wait(super().join, timeout, **options)

    def join_native(  # type: ignore[override]
        self, timeout: float | None = None, **options: Any
    ) -> Any:
        """Wait for all at once; their results in order. See :meth:`AsyncResult.get`."""
        return self._wait(super().join_native, timeout, **options)


class GroupResult(ResultSet, celery_result.GroupResult):
    """Celery's `GroupResult`, with waits that end."""


class AsyncResults(Sequence[AsyncResult[R]]):
    """The results of tasks that were sent together, in their order.

    An `AsyncResult` is made when it is asked for, each time: it costs as much as to send the task.

    Attributes:
        ids: Of the tasks.
    """

    def __init__(
        self,
        celery: Any,
        ids: Sequence[str],
        *,
        is_ignored: bool = False,
        made: Sequence[AsyncResult[R]] | None = None,
    ) -> None:
        self.ids = ids
        self._celery, self._is_ignored, self._made = celery, is_ignored, made

    @overload
    def __getitem__(self, place: int) -> AsyncResult[R]: ...
    @overload
    def __getitem__(self, place: slice) -> AsyncResults[R]: ...
    def __getitem__(self, place: int | slice) -> AsyncResult[R] | AsyncResults[R]:
        if isinstance(place, slice):
            made = None if self._made is None else self._made[place]
            return AsyncResults(
                self._celery, self.ids[place], is_ignored=self._is_ignored, made=made
            )
        if self._made is not None:
            return self._made[place]
        result: AsyncResult[R] = self._celery.AsyncResult(self.ids[place])
        result.ignored = self._is_ignored
        return result

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<{len(self)} AsyncResults>"
