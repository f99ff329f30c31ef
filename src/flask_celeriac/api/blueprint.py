"""The blueprint: which path leads where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from flask.sansio.blueprints import BlueprintSetupState
from kombu.exceptions import OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from flask_celeriac.errors import MessageTooLarge

from . import catalogue, events, one, submit
from .links import NAME
from .origin import require_same_origin
from .outage import logged_problem_of
from .problem import Problem, too_large


class Api(Blueprint):
    """Exposed tasks over HTTP; made by `Celeriac.api`."""

    def __init__(self) -> None:
        super().__init__(NAME, __name__, static_folder="static", static_url_path="/static")
        self.before_request(_refuse_foreign)
        self.register_error_handler(Problem, Problem.response)
        self.register_error_handler(HTTPException, _of_flask)
        self.register_error_handler(OperationalError, _of_outage)
        self.register_error_handler(MessageTooLarge, lambda _: too_large().response())
        for rule, endpoint, view, method in _ROUTES:
            self.add_url_rule(rule, endpoint, view, methods=[method])
        self.record(_answer_what_leads_nowhere)


def _refuse_foreign() -> None:
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        require_same_origin(request)


def _of_flask(error: HTTPException) -> Any:
    if error.response is not None:
        return error.response
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return Problem(error.code or 500, error.description or error.name, headers=headers).response()


def _answer_what_leads_nowhere(state: BlueprintSetupState) -> None:
    """Let paths and methods below the prefix that are not there be problems, too.

    Flask asks no blueprint about them. At the root of an application they stay its own.
    """
    root = f"{(state.url_prefix or '').rstrip('/')}/"

    def answer() -> Any:
        error = request.routing_exception
        if not isinstance(error, NotFound | MethodNotAllowed) or not request.path.startswith(root):
            return None
        return _of_flask(error)

    if root != "/":
        state.app.before_request(answer)


def _of_outage(error: OperationalError) -> Response:
    return logged_problem_of(error).response()


_Route = tuple[str, str, Callable[..., Any], str]
_ROUTES: tuple[_Route, ...] = (
    ("/", "catalogue", catalogue.show, "GET"),
    ("/openapi.json", "openapi", catalogue.show_openapi, "GET"),
    ("/<task_id>", "status", one.show, "GET"),
    ("/<task_id>", "cancel", one.cancel, "DELETE"),
    ("/<task_id>/events", "events", events.show, "GET"),
    ("/<task_name>", "submit", submit.take, "POST"),
)
