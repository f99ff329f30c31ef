"""A Flask application whose view waits for a task of a system, in the environment of that."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from flask import Flask

_MODULE = os.environ.get("PEERS_MODULE", "")
_system: Any = import_module(_MODULE) if _MODULE else None
app: Flask = getattr(_system, "flask_app", None) or Flask("peers")


@app.get("/task")
def task() -> dict[str, Any]:
    """Hand work to the system and wait for its result."""
    return {"info": _system.result(_system.send("noop", 1))}


@app.get("/plain")
def plain() -> dict[str, Any]:
    """Answer the same without any work: the ceiling."""
    return {"info": 1}
