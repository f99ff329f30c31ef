"""What every command needs: the Flask app, joined to its Celery app."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from flask.cli import ScriptInfo

if TYPE_CHECKING:
    from flask_celeriac.declare.state import AppState


def state_of(ctx: click.Context) -> AppState:
    """Return the state of the app that `flask --app` names.

    Raises:
        click.ClickException: The app has no Flask-Celeriac.
    """
    app = ctx.ensure_object(ScriptInfo).load_app()
    state: AppState | None = app.extensions.get("celeriac")
    if state is None:
        raise click.ClickException(
            f"The app {app.name!r} has no Celery: call Celeriac().init_app(app) in its factory."
        )
    return state
