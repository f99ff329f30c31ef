"""A private Redis or Valkey server for development and tests.

It needs no installation, asks for a password, keeps its data in one folder and ends with the
process that started it. Nothing here knows Flask or Celery.
"""

from __future__ import annotations

from .binary import Binary, find_binary
from .guarded import GuardedProcess
from .lockfile import Lock, RunningServer, find_running
from .server import EmbeddedServer

__all__ = [
    "Binary",
    "EmbeddedServer",
    "GuardedProcess",
    "Lock",
    "RunningServer",
    "find_binary",
    "find_running",
]
