"""How far the running task is: told by the task itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from time import monotonic
from typing import Any, TypeVar

from flask_celeriac.declare.context import current_run

from .cancel import stop
from .meter import Meter

T = TypeVar("T")


def progress(
    current: float, total: float | None = None, message: str | None = None, **more: Any
) -> None:
    """Tell how far the running task is; see `Celeriac.progress`."""
    run = current_run()
    if run is None:
        return
    meter: Meter = run.attachment or Meter.of(run)
    now_s = monotonic()
    # The last one is never held back, since nothing comes after it.
    if now_s < meter.next_s and current != total:
        meter.keep((current, total, message, more))
        return
    meter.tell(now_s, (current, total, message, more))
    if meter.wish is not None:
        stop(meter.wish)


def track(
    iterable: Iterable[T], total: float | None = None, message: str | None = None
) -> Iterator[T]:
    """Give the items of *iterable*, and tell how far they are; see `Celeriac.track`."""
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    progress(0, total, message)
    for count, item in enumerate(iterable, 1):
        yield item
        progress(count, total, message)
