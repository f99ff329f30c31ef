"""What a pool is like. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

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


def runs_here(pool: Any) -> bool:
    """Tell whether *pool* is known to run tasks in the process of its worker."""
    return module_name(pool) in ("solo", "threads", "gevent", "eventlet")


def module_name(pool: Any) -> str:
    """Return the name of *pool* as in `--pool`."""
    return pool_name(type(pool).__module__.rpartition(".")[2])
