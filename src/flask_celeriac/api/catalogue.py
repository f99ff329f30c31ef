"""What an application exposes: a list for people, and a description for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, current_app, request

from .arguments import arguments_of
from .exposed import Exposed, listed_tasks
from .links import link_to
from .openapi import document
from .options import schemas_of
from .status import represented, to_json


def show() -> Response:
    """Answer with the tasks that the request may list."""
    return _shown({"tasks": [_description(each) for each in listed_tasks()]})


def show_openapi() -> Response:
    """Answer with the OpenAPI document of the same."""
    title = f"Tasks of {current_app.name}"
    return _shown(document(title, link_to("catalogue") or "/", listed_tasks()))


def _description(exposed: Exposed) -> dict[str, Any]:
    return {
        "name": exposed.name,
        "summary": exposed.summary,
        "arguments": arguments_of(exposed.task).schema(),
        "options": schemas_of(exposed.exposure),
        "links": {"submit": link_to("submit", task_name=exposed.name)},
    }


def _shown(body: Mapping[str, Any]) -> Response:
    response = represented(to_json(body))
    response.make_conditional(request)
    return response
