"""The Lua scripts of this folder."""

from __future__ import annotations

from importlib.resources import files
from typing import Any


def load_script(client: Any, name: str) -> Any:
    """Register ``lua/<name>.lua``; it is sent to the server when it is first called there."""
    folder = files("flask_celeriac.record").joinpath("lua")
    return client.register_script(folder.joinpath(f"{name}.lua").read_text(encoding="utf-8"))
