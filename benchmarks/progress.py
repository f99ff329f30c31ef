"""What a call of `celeriac.progress` costs: `python -m benchmarks.progress`.

Nearly all calls of a busy loop come too early to be told; the target for those is 2 us. Those that
are told go to a private Redis.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from flask_celeriac import Celeriac
from flask_celeriac.declare.context import current_run, entering
from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.execute.meter import Meter

_CALLS, _TOLD, _ROUNDS = 100_000, 2_000, 7


def main() -> None:
    """Print the median and the range of rounds, in microseconds a call."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        server = EmbeddedServer(Path(folder))
        server.start()
        try:
            for name, times_us in _measured(server.url).items():
                median = statistics.median(times_us)
                print(f"{name:<28}{median:8.2f} us   {min(times_us):.2f}..{max(times_us):.2f}")
        finally:
            server.stop()


def _measured(url: str) -> dict[str, list[float]]:
    celeriac, app = Celeriac(), Flask("progress")
    found: dict[str, list[float]] = {}

    @celeriac.expose()
    @celeriac.task(name="measure", bind=True)
    def measure(self: object) -> None:  # noqa: ARG001
        def not_told() -> None:
            celeriac.progress(1, 2, "on the way")

        def told() -> None:
            _meter().next_s = 0.0
            celeriac.progress(1, 2, "on the way")

        celeriac.progress(0, 2)
        _meter().next_s = time.monotonic() + 3600
        found["an empty call"] = _rounds(lambda: None, _CALLS)
        found["too early to be told"] = _rounds(not_told, _CALLS)
        found["asked, and not cancelled"] = _rounds(celeriac.raise_if_cancelled, _CALLS)
        found["told"] = _rounds(told, _TOLD)

    app.config.update(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
    celeriac.init_app(app)
    task = celeriac.celery.tasks["measure"]
    task.push_request(id="3f0c1c9e-7d5e-4c7e-9a55-0a5f2a3f8f11", called_directly=False)
    entering(lambda *_: None)("3f0c1c9e-7d5e-4c7e-9a55-0a5f2a3f8f11", task)
    task.run()
    return found


def _meter() -> Meter:
    run = current_run()
    assert run is not None, "no task runs"
    return Meter.of(run)


def _rounds(call: Callable[[], object], count: int) -> list[float]:
    times_us = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in range(count):
            call()
        times_us.append((time.perf_counter() - began) / count * 1e6)
    return times_us


if __name__ == "__main__":
    main()
