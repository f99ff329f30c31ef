"""The application on Flask-Celeriac, for the web process and for the worker."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from flask import Flask

from flask_celeriac import Celeriac

from .environment import FOLDER, NAP_S, STAY_S, URL, WAIT_S

_GO_EVERY_S, _APART_S = 0.1, 0.2
#: More than any run opens; so that the limit is the server's.
_MOST_STREAMS = 100_000
#: So short that nothing is told together with what comes next.
_PROGRESS_INTERVAL_S = 1e-6

celeriac = Celeriac()


@celeriac.task(name="noop")
def noop(number: int) -> dict[str, int]:
    """Give *number* back: the work itself takes no time."""
    return {"info": number}


@celeriac.task(name="nap")
def nap(number: int) -> dict[str, int]:
    """Wait for 50 ms, as for a slow answer from somewhere."""
    time.sleep(NAP_S)
    return {"info": number}


@celeriac.expose()
@celeriac.task(name="whole")
def whole() -> dict[str, int]:
    """End at once."""
    return {"info": 1}


@celeriac.expose()
@celeriac.task(name="half")
def half() -> dict[str, int]:
    """Tell of progress, and stay there for a while."""
    celeriac.progress(1, 2, "half of it")
    time.sleep(STAY_S)
    return {"info": 1}


@celeriac.expose()
@celeriac.task(name="tell")
def tell(go: str, count: int, offset_s: float, period_s: float) -> None:
    """Tell of progress *count* times, each with the time at which it is told; then end.

    Args:
        go: A file, there when it begins, with a time of the monotonic clock.
        offset_s: After that time, of the first.
        period_s: From one to the next.
    """
    at_s = _start_s(Path(FOLDER) / go) + offset_s
    for step in range(1, count + 1):
        time.sleep(max(0.0, at_s - time.monotonic()))
        celeriac.progress(step, count, sent_ns=time.monotonic_ns())
        at_s += period_s
    # When the first ends, all others have told of all.
    time.sleep(max(0.0, at_s + _APART_S - time.monotonic()))


def _start_s(go: Path) -> float:
    while not go.exists():
        time.sleep(_GO_EVERY_S)
    return float(go.read_text())


@celeriac.access
def may(request: Any, ask: Any) -> bool:  # noqa: ARG001
    """Let everybody do everything."""
    return True


app = Flask("http")
app.config.update(
    CELERY_BROKER_URL=URL,
    CELERY_RESULT_BACKEND=URL,
    CELERIAC_MAX_STREAMS=_MOST_STREAMS,
    CELERIAC_PROGRESS_INTERVAL=_PROGRESS_INTERVAL_S,
)
celeriac.init_app(app)
app.register_blueprint(celeriac.api, url_prefix="/tasks")
_tasks: dict[str, Any] = {"noop": noop, "nap": nap, "whole": whole, "half": half}


@app.get("/respond/<name>")
def respond(name: str) -> Any:
    """Send a task and answer with its result."""
    return celeriac.respond(_tasks[name].delay(1), wait=WAIT_S)


@app.get("/send/<name>")
def send(name: str) -> dict[str, str]:
    """Send a task."""
    return {"id": _tasks[name].delay().id}


@app.get("/healthz")
def healthz() -> dict[str, int]:
    """Answer without any work: the ceiling, and how long others keep the process busy."""
    return {"info": 1}
