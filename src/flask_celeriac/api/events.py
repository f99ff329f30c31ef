"""What happens to one task, as it happens."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from flask import Response, current_app, request

from flask_celeriac.record.journal.facts import Seen

from .links import links_of
from .lookup import find, journal
from .news import Body, Cursor, news_of
from .problem import unavailable
from .server import can_serve_others, most_streams
from .slots import Slot, slots_of
from .status import body_outside
from .stream import stream

_HEADERS = {
    # What compresses on the way keeps events until it has enough of them.
    "Cache-Control": "no-store, no-transform",
    # nginx would keep events until it has some kilobytes of them.
    "X-Accel-Buffering": "no",
}
_TYPE = "text/event-stream; charset=utf-8"
#: Seconds after which somebody else may have gone.
_FULL_S = 10
#: Seconds after which to ask again a server that has no threads; it may be started anew.
_ALONE_S = 60

logger = logging.getLogger(__name__)


def show(task_id: str) -> Response:
    """Answer with the events of a task, from the client's cursor on."""
    seen = find(task_id, "read")
    cursor = Cursor.read(request.headers.get("Last-Event-ID") or request.args.get("last_event_id"))
    if cursor is not None and cursor.is_past(seen):
        # By which an EventSource comes again no more.
        return Response(status=204, headers=_HEADERS)
    if request.method == "HEAD":
        return Response(headers=_HEADERS, content_type=_TYPE)
    slot = _slot()
    kept = journal()
    told = stream(kept, task_id, news_of(kept, task_id, cursor, _body(task_id)))
    response = Response(told, headers=_HEADERS, content_type=_TYPE)
    response.call_on_close(slot.free)
    return response


def _slot() -> Slot:
    """Take one of the places for streams.

    Raises:
        Problem: 503: none is left, or there is none.
    """
    if not can_serve_others():
        _say_once()
        raise unavailable("This server has no streams of events: ask for the status.", _ALONE_S)
    app: Any = current_app
    slot = slots_of(app._get_current_object()).take(most_streams())
    if slot is None:
        raise unavailable("Too many streams are open: ask for the status meanwhile.", _FULL_S)
    return slot


def _body(task_id: str) -> Body:
    """Return what shows the task when the request is long over."""
    links, is_debug = links_of(task_id), bool(current_app.debug)

    def body(seen: Seen) -> Mapping[str, Any]:
        return body_outside(seen, links, is_debug=is_debug)

    return body


@cache
def _say_once() -> None:
    logger.warning(
        "Streams of events are refused, because this web server answers one request at a time: "
        "each stream would keep it from all others. Start it with threads or with gevent "
        "(gunicorn --threads 32, or -k gevent)."
    )
