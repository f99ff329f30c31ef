"""Where the blueprint is, in the application that registered it."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, url_for

#: Of the blueprint, unless it is registered under another.
NAME = "celeriac_api"


def registered_name(app: Flask) -> str | None:
    """Return the name under which the blueprint is registered; None where it is not.

    Of several the first counts.
    """
    from .blueprint import Api

    names = (name for name, each in app.blueprints.items() if isinstance(each, Api))
    return next(names, None)


def link_to(endpoint: str, **values: Any) -> str | None:
    """Return the path of an endpoint of the blueprint; None where it is not registered."""
    app: Any = current_app
    name = registered_name(app)
    return None if name is None else url_for(f"{name}.{endpoint}", **values)


def links_of(task_id: str) -> dict[str, str | None]:
    """Return where a task and its events are found."""
    return {
        "self": link_to("status", task_id=task_id),
        "events": link_to("events", task_id=task_id),
    }
