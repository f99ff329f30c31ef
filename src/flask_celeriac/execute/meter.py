"""The progress of one run, and whether somebody wants the run to end."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from time import monotonic
from typing import Any

from flask_celeriac.declare.context import Run
from flask_celeriac.errors import CeleriacError, ResultBackendUnavailable
from flask_celeriac.record.journal.facts import Cancellation
from flask_celeriac.record.journal.find import journal_of

#: Seconds between two questions whether the task was cancelled.
ASK_S = 0.5

#: Characters of a message, and bytes of what an application adds, that are told.
LONGEST_MESSAGE, MOST_BYTES = 1000, 64 * 1024

#: What a task says of itself: current, total, message, and more by name.
Told = tuple[Any, Any, "str | None", dict[str, Any]]

logger = logging.getLogger(__name__)


class Meter:
    """Tells how far one run is, at most once an interval.

    Attributes:
        next_s: When the next may be told, in seconds of the monotonic clock; 0: now.
        wish: That the task is to end, once that is known.
    """

    __slots__ = (
        *("_ask_s", "_began_s", "_first", "_has_warned", "_interval_s", "_run", "_untold"),
        *("next_s", "wish"),
    )

    def __init__(self, run: Run) -> None:
        self._run = run
        self._interval_s: float = run.task.app.celeriac.settings.progress_interval_s
        self._began_s: float | None = None
        self._first = self._ask_s = self.next_s = 0.0
        self._untold: Told | None = None
        self._has_warned = False
        self.wish: Cancellation | None = None

    @classmethod
    def of(cls, run: Run) -> Meter:
        """Return the meter of *run*, made when it is first asked for."""
        if run.attachment is None:
            run.attachment = cls(run)
            run.untold = run.attachment.untold
        meter: Meter = run.attachment
        return meter

    def keep(self, told: Told) -> None:
        """Remember what may not be told yet."""
        self._untold = told

    def untold(self) -> Mapping[str, Any] | None:
        """Return the latest where it was not told; None where all was."""
        return None if self._untold is None else self._data(monotonic(), self._untold)

    def tell(self, now_s: float, told: Told) -> None:
        """Store and publish; whatever goes wrong, the task goes on."""
        self._untold = None
        self.next_s = self._ask_s = now_s + self._interval_s
        try:
            data = self._data(now_s, told)
            if self._is_stored:
                task = self._run.task
                self.wish = journal_of(task.app).progress(task.request.id, data, task.request)
        except Exception as error:
            logger.warning("The progress of task %s is not told: %s", self._run.task.name, error)
            if isinstance(error, ResultBackendUnavailable):
                # The end of the run tells it, unless the task has more to say.
                self._untold = told

    def ask(self, now_s: float) -> None:
        """Learn whether the task was cancelled, if that was not asked for a while."""
        if now_s < self._ask_s or self.wish is not None or not self._is_stored:
            return
        self._ask_s = now_s + ASK_S
        task = self._run.task
        try:
            self.wish = journal_of(task.app).cancellation(task.request.id)
        except CeleriacError as error:
            logger.warning("Nobody knows whether task %s is cancelled: %s", task.name, error)

    @property
    def _is_stored(self) -> bool:
        request = self._run.task.request
        return not (request.is_eager or request.called_directly)

    def _data(self, now_s: float, told: Told) -> dict[str, Any]:
        current, total, message, more = told
        done, whole = _number(current), _number(total)
        if self._began_s is None:
            self._began_s, self._first = now_s, done or 0.0
        elapsed_s = now_s - self._began_s
        rate = (done - self._first) / elapsed_s if done is not None and elapsed_s > 0 else 0.0
        percent = eta_s = None
        if done is not None and whole:
            percent = round(min(max(100 * done / whole, 0.0), 100.0), 1)
            eta_s = round(max(whole - done, 0.0) / rate, 1) if rate > 0 else None
        return {
            **self._fitting(more),
            "current": current,
            "total": total,
            "message": message if message is None else str(message)[:LONGEST_MESSAGE],
            "percent": percent,
            "rate": round(rate, 3) if rate > 0 else None,
            "eta_s": eta_s,
        }

    def _fitting(self, more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what an application adds, nothing where that is too much."""
        if not more or (size := len(json.dumps(more, default=str))) <= MOST_BYTES:
            return more
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "Task %s adds %s bytes to its progress, which may have %s: they are left out. Keep "
                "the data elsewhere and say where it is.",
                self._run.task.name,
                f"{size:,}",
                f"{MOST_BYTES:,}",
            )
        return {}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
