"""Join a Celery app to what keeps state files, without importing any of it.

The bootstep and the scheduler belong to the Celery app, so `celery -A service:my_celery worker`
keeps the file just as `flask celery worker` does. Both are named only: a web process never
imports them.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from weakref import WeakKeyDictionary

BOOTSTEP = "flask_celeriac.execute.bootsteps:VitalSigns"
SCHEDULER = "flask_celeriac.enqueue.schedule:Scheduler"

_folders: WeakKeyDictionary[Any, str | None] = WeakKeyDictionary()


def attach(
    celery: Any, configuration: MutableMapping[str, Any], state_dir: str | None = None
) -> None:
    """Let worker and beat of *celery* keep a state file; safe to repeat.

    Args:
        celery: The Celery app; it stays unconfigured, nothing is started.
        configuration: What it will be configured with, in new lower-case names. A
            `beat_scheduler` of the user's own (RedBeat, a database) stays; such a beat keeps
            no state file.
        state_dir: Folder, as in `CELERIAC_STATE_DIR`; None for the one of the environment, or a
            private one in the temporary directory.
    """
    _folders[celery] = state_dir
    celery.steps["worker"].add(BOOTSTEP)
    configuration.setdefault("beat_scheduler", SCHEDULER)


def state_dir_of(celery: Any) -> str | None:
    """Return the folder that `attach` was told, else None."""
    return _folders.get(celery)
