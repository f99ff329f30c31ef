"""Celery's settings of a process: given by the runner, and told to it when they are final.

The runner gives Flask-Celeriac the addresses alone, and plain Celery all that Flask-Celeriac made
of them in a process of the same role, so that only the extension itself differs.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import worker_ready

#: Celery's settings for the process, as JSON.
GIVEN = "BENCHMARK_SETTINGS"
#: `CELERIAC_TRANSPORT` of the process; only Flask-Celeriac reads it.
TRANSPORT = "BENCHMARK_TRANSPORT"
#: The file into which a worker writes the settings that it ended up with.
TOLD = "BENCHMARK_TOLD"
# What Celery itself writes there; `include` would make plain Celery import the other application.
_NOT_SETTINGS = ("deprecated_settings", "include")


def given() -> dict[str, Any]:
    """Return the settings that the runner gave to this process."""
    settings: dict[str, Any] = json.loads(os.environ[GIVEN])
    return settings


def transport() -> str:
    """Return which transport Flask-Celeriac uses in this process."""
    return os.environ[TRANSPORT]


def explicit(celery: Celery[Any]) -> dict[str, Any]:
    """Return the settings of *celery* that are not Celery's own defaults."""
    conf: Any = celery.conf
    settings = dict(conf.finalize().without_defaults())
    for key in _NOT_SETTINGS:
        settings.pop(key, None)
    return settings


def tell_when_ready(celery: Celery[Any]) -> None:
    """Let a worker of *celery* write its settings into the runner's file as soon as it works."""

    def tell(**_: Any) -> None:
        told = Path(os.environ[TOLD])
        unfinished = told.with_suffix(".part")
        unfinished.write_text(json.dumps(explicit(celery)))
        unfinished.rename(told)

    worker_ready.connect(tell, weak=False)
