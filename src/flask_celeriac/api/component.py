"""The element `<celeriac-progress>` in templates: for each task, and the script that it needs."""

from __future__ import annotations

from typing import Any

from flask import Flask, g
from markupsafe import Markup

from flask_celeriac.errors import ConfigurationError

from .links import link_to

SCRIPT = "celeriac-progress.js"
_HAS_SCRIPT = "_celeriac_has_script"
_FALLBACK = "Status of the task"

_ELEMENT = Markup(
    '<celeriac-progress task="{task_id}" src="{src}" events="{events}"{more}>'
    '<a href="{src}">{text}</a></celeriac-progress>'
)
_LABEL = Markup(' label="{}"')
_CANCELLABLE = Markup(" cancellable")
_SCRIPT = Markup('<script type="module" src="{}"></script>')


def install(app: Flask) -> None:
    """Give the templates of *app* `celeriac_progress` and `celeriac_script`."""
    app.jinja_env.globals.update(
        celeriac_progress=celeriac_progress, celeriac_script=celeriac_script
    )


def celeriac_progress(task: Any, label: str | None = None, cancellable: bool = True) -> Markup:
    """Return the element that shows a task; before the first of a page also its script.

    Args:
        task: The result that sending it returned, or its id.
        label: What the task is called, for people.
        cancellable: Whether the element has a button that cancels the task.

    Raises:
        ConfigurationError: The blueprint `Celeriac.api` is not registered.
    """
    task_id = task if isinstance(task, str) else str(task.id)
    more = (_LABEL.format(label) if label else Markup()) + (
        _CANCELLABLE if cancellable else Markup()
    )
    return celeriac_script() + _ELEMENT.format(
        task_id=task_id,
        src=_link("status", task_id=task_id),
        events=_link("events", task_id=task_id),
        more=more,
        text=label or _FALLBACK,
    )


def celeriac_script() -> Markup:
    """Return the script of the element, once a page: for a page that makes elements itself.

    Raises:
        ConfigurationError: The blueprint `Celeriac.api` is not registered.
    """
    if g.get(_HAS_SCRIPT):
        return Markup()
    setattr(g, _HAS_SCRIPT, True)
    return _SCRIPT.format(_link("static", filename=SCRIPT))


def _link(endpoint: str, **values: str) -> str:
    link = link_to(endpoint, **values)
    if link is None:
        raise ConfigurationError(
            "<celeriac-progress> asks the blueprint, which is not registered: add "
            'app.register_blueprint(celeriac.api, url_prefix="/api/v1/tasks").'
        )
    return link
