"""The Lua scripts of this folder."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from flask_celeriac.transport.redis.scripts import outcome_text


def load_script(client: Any, name: str) -> Any:
    """Register ``lua/<name>.lua``; it is sent to the server when it is first called there."""
    path = files("flask_celeriac.record").joinpath("lua", f"{name}.lua")
    return client.register_script(outcome_text() + path.read_text(encoding="utf-8"))
