"""The Lua scripts of `record`."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from flask_celeriac.transport.redis.scripts import outcome_text


def load_script(
    client: Any, *names: str, folder: str = "flask_celeriac.record", has_outcome: bool = True
) -> Any:
    """Register ``lua/<name>.lua``, several as one; it is sent to the server when first called.

    Args:
        folder: The package beside whose modules they lie.
        has_outcome: Whether `store_outcome` is put before them.
    """
    home = files(folder) / "lua"
    texts = [(home / f"{name}.lua").read_text(encoding="utf-8") for name in names]
    return client.register_script("\n".join([outcome_text(), *texts] if has_outcome else texts))
