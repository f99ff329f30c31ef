"""The interface as an OpenAPI document.

What is the same in every application lies in `openapi.json` beside this.

Source: OpenAPI Specification 3.1.1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from .arguments import arguments_of, schemas_of
from .exposed import Exposed
from .options import schemas_of as option_schemas_of

_REF = "#/components/schemas/{model}"


def document(title: str, root: str, tasks: Sequence[Exposed]) -> dict[str, Any]:
    """Return the OpenAPI document of an application.

    Args:
        root: Path of the blueprint, with a slash at its end.
        tasks: Those that it describes.

    Raises:
        ConfigurationError: One has arguments without a form in JSON.
    """
    made: dict[str, Any] = json.loads(
        (files("flask_celeriac.api") / "openapi.json").read_text(encoding="utf-8")
    )
    made["info"]["title"] = title
    made["servers"] = [{"url": root.rstrip("/") or "/"}]
    schemas, shared = schemas_of({each.name: arguments_of(each.task) for each in tasks}, _REF)
    made["components"]["schemas"].update(shared)
    template = made.pop("x-submit")
    paths = {f"/{quote(each.name)}": _path(each, schemas[each.name], template) for each in tasks}
    # What is said first holds, and the name of a task is like an id.
    made["paths"] = {**paths, **made["paths"]}
    return made


def _path(exposed: Exposed, schema: dict[str, Any], template: dict[str, Any]) -> dict[str, Any]:
    operation = json.loads(json.dumps(template))
    operation["operationId"] = f"submit {exposed.name}"
    operation["summary"] = exposed.summary or f"Send the task {exposed.name}"
    content = operation["requestBody"]["content"]
    content["application/json"]["schema"] = schema
    operation["requestBody"]["required"] = arguments_of(exposed.task).are_required
    operation["parameters"] += [
        {"name": name, "in": "query", "schema": option}
        for name, option in option_schemas_of(exposed.exposure).items()
    ]
    return {"post": operation}
