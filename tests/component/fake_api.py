"""A server that speaks the interface of one task, as a test tells it to."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask, Response, request, send_from_directory
from werkzeug.serving import make_server

import flask_celeriac

STATIC = Path(flask_celeriac.__file__).parent / "api" / "static"
TASK_ID = "0b1c6c1e-8a4e-4c39-9f0e-0e5b4d1f7a11"
SRC = f"/tasks/{TASK_ID}"
#: The policy that the element must get along with.
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
FINISHED = ("SUCCESS", "FAILURE", "REVOKED")

RECORDER = """
window.heard = [];
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
for (const kind of ["celeriac:progress", "celeriac:end"]) {
  document.addEventListener(kind, (event) => heard.push([kind, event.detail]));
}
"""
STYLE = """
:root { color-scheme: light dark; }
body { margin: 1rem; font: 1rem/1.5 system-ui, sans-serif; }
celeriac-progress { margin-bottom: 1.5rem; }
"""
HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Page</title>
<link rel="stylesheet" href="/page.css">
<script src="/recorder.js"></script>
%s
</head>
<body>%s</body>
</html>
"""
SCRIPT = '<script type="module" src="/static/celeriac-progress.js"></script>'


class Asked(NamedTuple):
    """One request that arrived."""

    method: str
    path: str
    headers: dict[str, str]


class FakeApi:
    """One task, its status and its events; the attributes may be set by a test at any time.

    Attributes:
        refusal: Status code of each answer about the task; 0: none is refused.
        stream_refusal: The same for its stream of events.
        cancel_refusal: The same for cancelling it.
        is_buffered: Whether the stream is held back, as some proxies do.
        retry_after: The header of each status.
        asked: All requests for the task.
        open_streams: How many streams are open.
    """

    def __init__(self) -> None:
        self.status: dict[str, Any] = {
            "id": TASK_ID,
            "task": "app.tasks.report",
            "state": "PENDING",
            "progress": None,
            "result": None,
            "error": None,
            "attempts": 0,
            "cancellation": None,
            "links": {"self": SRC, "events": f"{SRC}/events"},
        }
        self.html = ""
        self.refusal = self.stream_refusal = self.cancel_refusal = 0
        self.is_buffered = False
        self.retry_after = "1"
        self.asked: list[Asked] = []
        self.open_streams = 0
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._changed = threading.Condition()
        self._cut_count = 0
        self._server = make_server("127.0.0.1", 0, self._application(), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """End the streams and the server."""
        self.cut()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def page(self, *elements: str, has_script: bool = True) -> str:
        """Make the page of *elements*, and return its address."""
        self.html = HTML % (SCRIPT if has_script else "", "\n".join(elements))
        return f"{self.address}/"

    def progress(self, current: float, total: float | None = None, **more: Any) -> None:
        """Let the task tell how far it is."""
        percent = None if not total else 100 * current / total
        data = {"current": current, "total": total, "message": None, "percent": percent,
                "rate": None, "eta_s": None, **more}  # fmt: skip
        self._happen("progress", data, state="PROGRESS", progress=data)

    def enter(self, state: str) -> None:
        """Let the state of the task change."""
        self._happen("state", {"state": state}, state=state)

    def end(self, state: str, **more: Any) -> None:
        """Let the task end; *more* of the status: `result=`, `error=`."""
        with self._changed:
            self.status.update(state=state, **more)
            self._events.append(("end", dict(self.status)))
            self._changed.notify_all()

    def cut(self) -> None:
        """Break off all streams, as a proxy or a restarted server does."""
        with self._changed:
            self._cut_count += 1
            self._changed.notify_all()

    def requests(self, method: str, path: str = SRC) -> list[Asked]:
        """Those that have arrived so far."""
        return [asked for asked in self.asked if (asked.method, asked.path) == (method, path)]

    def _happen(self, kind: str, data: dict[str, Any], **status: Any) -> None:
        with self._changed:
            self.status.update(status)
            self._events.append((kind, data))
            self._changed.notify_all()

    def _application(self) -> Flask:
        app = Flask(__name__, static_folder=None)
        app.add_url_rule("/", view_func=self._page)
        app.add_url_rule("/recorder.js", "recorder", lambda: _file(RECORDER, "text/javascript"))
        app.add_url_rule("/page.css", "style", lambda: _file(STYLE, "text/css"))
        app.add_url_rule("/static/<name>", "static", lambda name: send_from_directory(STATIC, name))
        app.add_url_rule("/tasks/<id_>", view_func=self._show)
        app.add_url_rule("/tasks/<id_>", view_func=self._cancel, methods=["DELETE"])
        app.add_url_rule("/tasks/<id_>/events", view_func=self._stream)
        return app

    def _page(self) -> Response:
        response = Response(self.html, headers={"Content-Security-Policy": POLICY})
        response.set_cookie("visitor", "one", httponly=True, samesite="Lax")
        return response

    def _note(self) -> None:
        self.asked.append(Asked(request.method, request.path, dict(request.headers)))

    def _show(self, id_: str) -> Response:
        self._note()
        if self.refusal:
            return Response("{}", self.refusal, content_type="application/problem+json")
        response = self._status(200)
        response.set_etag(hashlib.sha256(response.get_data()).hexdigest())
        return response.make_conditional(request)

    def _cancel(self, id_: str) -> Response:
        self._note()
        if self.cancel_refusal:
            return Response("{}", self.cancel_refusal, content_type="application/problem+json")
        wish = {"at": "2026-01-01T00:00:00.000Z", "reason": None, "by": "one"}
        self._happen("state", {"cancellation": wish}, cancellation=wish)
        return self._status(202)

    def _status(self, code: int) -> Response:
        with self._changed:
            response = Response(json.dumps(self.status), code, content_type="application/json")
        if self.status["state"] not in FINISHED:
            response.headers["Retry-After"] = self.retry_after
        return response

    def _stream(self, id_: str) -> Response:
        self._note()
        if self.stream_refusal:
            return Response("{}", self.stream_refusal, headers={"Retry-After": "1"})
        after = request.headers.get("Last-Event-ID") or request.args.get("last_event_id") or 0
        return Response(self._told(int(after)), content_type="text/event-stream")

    def _told(self, number: int) -> Iterator[str]:
        cut_count = self._cut_count
        self.open_streams += 1
        try:
            yield "retry: 50\n\n"
            while self._cut_count == cut_count:
                with self._changed:
                    new = [] if self.is_buffered else self._events[number:]
                    if not new:
                        self._changed.wait(0.2)
                for kind, data in new:
                    number += 1
                    yield f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
                    if kind == "end":
                        return
                # Who has left is noticed only when something is written.
                yield ": heartbeat\n\n"
        finally:
            self.open_streams -= 1


def _file(text: str, content_type: str) -> Response:
    return Response(text, content_type=content_type)
