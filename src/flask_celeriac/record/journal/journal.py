"""What every journal can do, wherever results are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from .facts import Cancellation, Events, Heard, NewEntry, Reservation, Seen


class Bell(Protocol):
    """Rings when something may have happened to a task."""

    def wait(self, timeout_s: float) -> bool:
        """Wait until it rings; return whether it did within *timeout_s*."""
        ...

    def told(self) -> Heard:
        """Return what was told since the last call; in the first, nothing is known."""
        ...


class Journal(Protocol):
    """The record of exposed tasks of one Celery app.

    Every method raises `ResultBackendUnavailable` where the server of the results does not answer:
    nothing was read, and what was to be written may be written or not. All are safe to repeat.

    Attributes:
        can_push: Whether what happens comes by itself. Else bells ring at growing intervals, and
            there are no events.
    """

    can_push: bool

    def open(self, entries: Sequence[NewEntry]) -> set[str]:
        """Write down tasks that are about to be sent; those that are known already stay.

        Returns:
            The ids of those that are new.
        """
        ...

    def forget(self, task_ids: Sequence[str]) -> None:
        """Take back what `open` did: they were not sent."""

    def look(self, task_id: str) -> Seen:
        """Return all that is known of a task, by the same commands whatever that is."""
        ...

    def started(self, task_id: str) -> None:
        """Write down that a run begins; nothing for a task that was never opened."""

    def ended(self, task_id: str, progress: Mapping[str, Any] | None = None) -> None:
        """Write down that a run has ended; *progress* is the last, where it was not told yet."""

    def retried(self, task_id: str, data: Mapping[str, Any]) -> None:
        """Tell that a task is tried again."""

    def progress(
        self, task_id: str, data: Mapping[str, Any], request: Any = None
    ) -> Cancellation | None:
        """Store the state `PROGRESS` and tell of it; also of tasks that were never opened.

        Args:
            request: Of the run. A run that has lost its task to another one stores nothing.

        Returns:
            That the task is to end, where somebody wants it.
        """
        ...

    def cancellation(self, task_id: str) -> Cancellation | None:
        """Return whether somebody wants a task to end."""
        ...

    def cancel(self, task_id: str, wish: Cancellation) -> Cancellation:
        """Write down that a task is to end; return the wish that came first, which holds."""
        ...

    def events(self, task_id: str, after: int = 0) -> Events:
        """Return what happened after the event with the number *after*.

        The latest 1000 are kept, an hour long. Without push there are none.
        """
        ...

    def follow(self, task_id: str, after: int = 0) -> tuple[Seen, Events]:
        """Return what `look` does, and then the first 50 of `events`, in one round trip.

        Of a task that has ended by then, the events are complete unless they are cut.
        """
        ...

    def listening(self, task_id: str) -> AbstractContextManager[Bell]:
        """Give a bell that rings for whatever happens to the task inside the block.

        It rings once as soon as nothing can be missed any more: look then.
        """
        ...

    def reserve(self, key: str, memo: str, life_s: float) -> Reservation:
        """Reserve *key* for a request, for *life_s* seconds, unless it is known.

        Args:
            memo: What those who come with the same key are to know of the request.
        """
        ...

    def settle(self, key: str, life_s: float) -> None:
        """Say that the request of a reserved key was answered; known for *life_s* more."""

    def release(self, key: str) -> None:
        """Give a reserved key back: its request has changed nothing."""
