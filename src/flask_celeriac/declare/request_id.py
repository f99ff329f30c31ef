"""One id for a request and all that follows from it, on every log record of both sides."""

from __future__ import annotations

import logging
import re
from typing import Any
from uuid import uuid4

from flask import Flask, Response, has_request_context, request
from flask.ctx import AppContext

from .active import active_context

#: Name of the id in `flask.g`; an application may set it itself before the first task is sent.
REQUEST_ID = "request_id"

# What a client may send as its id: it goes into logs, so no white space or control characters.
_acceptable = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")


def current_request_id() -> str | None:
    """The id of the request or task that is running here, or None outside both.

    In a request it is, in this order: what the application put into `g.request_id`, the request's
    own header (``X-Request-ID``, or ``CELERIAC_REQUEST_ID_HEADER``) where it holds 1 to 128
    harmless characters, a new UUID. In a task it is that of the request it was sent from, or
    else the id of the task that began the chain of events.
    """
    context = active_context()
    return None if context is None else request_id_of(context)


def request_id_of(context: AppContext) -> str | None:
    """The same for *context*, the active one."""
    known = context.g.get(REQUEST_ID)
    if known is None and has_request_context():
        known = _from_header() or uuid4().hex
        setattr(context.g, REQUEST_ID, known)
    return None if known is None else str(known)


def _from_header() -> str | None:
    from .state import in_context

    state = in_context()
    if state is None:
        return None
    given = request.headers.get(state.settings.request_id_header, "")
    return given if _acceptable.fullmatch(given) else None


def install(app: Flask, header: str) -> None:
    """Answer each request with its id in *header*, and put the id on all log records."""

    def add_request_id(response: Response) -> Response:
        response.headers.setdefault(header, current_request_id() or "")
        return response

    app.after_request(add_request_id)
    _install_record_factory()


class _Fields(dict[str, Any]):
    """A log record's fields, of which the application may replace ours.

    `Logger.makeRecord` refuses an `extra` that names a field which the record has already, so
    ``extra={"request_id": ...}``, common in applications, would fail because of us.
    """

    def __contains__(self, key: object) -> bool:
        return key != REQUEST_ID and super().__contains__(key)


def _install_record_factory() -> None:
    make_record = logging.getLogRecordFactory()
    if getattr(make_record, "adds_request_id", False):
        return

    def with_request_id(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        if REQUEST_ID not in record.__dict__:
            fields = _Fields(record.__dict__)
            fields[REQUEST_ID] = current_request_id() or "-"
            record.__dict__ = fields
        return record

    with_request_id.adds_request_id = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(with_request_id)
