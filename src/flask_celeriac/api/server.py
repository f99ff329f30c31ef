"""What the web server can do while one request waits: how many others it can still answer."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

from flask import current_app, request

from .lookup import app_state

#: Seconds for which a client may keep a server waiting that answers nobody else meanwhile.
ALONE_WAIT_S = 1.0
_WAITRESS = re.compile(r"waitress-\d+")


def longest_wait_s() -> float:
    """Return the most seconds that the client of this request may ask to wait."""
    most_s = app_state().settings.max_wait_s
    return most_s if can_serve_others() else min(most_s, ALONE_WAIT_S)


def most_streams() -> int:
    """Return how many streams may be open in this process; 0: none.

    One thread is left for all other requests where the number of the server's threads is known.
    """
    most = app_state().settings.max_streams
    threads = threads_of_server(request.environ)
    return most if threads is None else min(most, threads - 1)


def can_serve_others() -> bool:
    """Tell whether other requests are answered by this process while this one waits."""
    threads = threads_of_server(request.environ)
    return threads is None or threads > 1


def threads_of_server(environ: Mapping[str, Any]) -> int | None:
    """Return how many threads answer requests here; None: unknown, or as many as are needed."""
    # In a test the client reads the answer in the thread that gave it.
    if _is_green() or current_app.testing:
        return None
    if not environ.get("wsgi.multithread"):
        return 1
    return _threads_of_gunicorn() or _threads_of_waitress()


def _is_green() -> bool:
    """Tell whether gevent or eventlet makes each request a greenlet of its own."""
    if gevent := sys.modules.get("gevent.monkey"):
        return bool(gevent.is_module_patched("threading"))
    if eventlet := sys.modules.get("eventlet.patcher"):
        return bool(eventlet.is_monkey_patched("thread"))
    return False


def _threads_of_gunicorn() -> int | None:
    """Ask the worker that has called us: gunicorn tells the number to nobody else."""
    if "gunicorn.workers.gthread" not in sys.modules:
        return None
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        caller: Any = frame.f_locals.get("self")
        if type(caller).__module__ == "gunicorn.workers.gthread" and hasattr(caller, "cfg"):
            return int(caller.cfg.threads)
        frame = frame.f_back
    return None


def _threads_of_waitress() -> int | None:
    """Count them; they are all started with the server."""
    if "waitress" not in sys.modules:
        return None
    return sum(bool(_WAITRESS.match(thread.name)) for thread in threading.enumerate()) or None
