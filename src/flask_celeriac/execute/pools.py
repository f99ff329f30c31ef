"""Which time limits a pool keeps. Imports nothing heavy."""

from __future__ import annotations

#: By the names of `--pool`. Source: `on_apply` of each in `celery.concurrency`.
LIMITS: dict[str, tuple[str, ...]] = {
    "prefork": ("soft", "hard"),
    "gevent": ("hard",),
    "eventlet": (),
    "threads": (),
    "solo": (),
}


def pool_name(module: str) -> str:
    """Return the name as in `--pool`; a pool of the user's own has its module's.

    Args:
        module: Last part of the name of the pool's module, as a worker tells it.
    """
    return "threads" if module == "thread" else module
