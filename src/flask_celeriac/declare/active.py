"""The app context that is active, itself: each touch of a Flask proxy costs as much as a call."""

from __future__ import annotations

from typing import Any, cast

from flask import has_app_context
from flask.ctx import AppContext
from flask.globals import app_ctx

_active: Any = app_ctx


def active_context() -> AppContext | None:
    """Return the active app context, or None."""
    return cast(AppContext, _active._get_current_object()) if has_app_context() else None
