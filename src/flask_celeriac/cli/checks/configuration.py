"""What the settings and this process tell, without asking anybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask_celeriac.execute.pools import LIMITS, pool_name
from flask_celeriac.health.broker import ask, parse
from flask_celeriac.health.state_file import named_folder

from .finding import Finding, error, ok, warning

if TYPE_CHECKING:
    from flask_celeriac.declare.state import AppState

_SAFE_CONTENT = {"json", "application/json"}
#: By the limits that a pool keeps, what it does not: a task past its limit keeps its slot.
_UNENFORCED = {
    (): "neither time limit",
    ("hard",): "no soft time limit, and no limit while a task computes",
}


def examine(state: AppState) -> Iterator[Finding]:
    """Examine the settings of one app."""
    celery, settings = state.celery, state.settings
    yield from _result_backend(settings.result_backend, celery.conf.redis_backend_use_ssl)
    yield from _content(celery.conf)
    yield from limits_of_pool(celery, str(celery.conf.worker_pool), "worker_pool")
    if not settings.is_carried_by_us:  # there, leases are renewed
        yield from _visibility(celery)
    yield from _root()
    yield from _state_dir(settings.state_dir)


def _result_backend(url: str | None, use_ssl: Any) -> Iterator[Finding]:
    if url:
        yield from _reachable(url, is_encrypted=bool(use_ssl))
        return
    yield warning(
        "results.backend",
        "No result backend: .get() and chords fail, and nothing tells whether a task failed.",
        "Set CELERY_RESULT_BACKEND, or ignore this if nobody waits for results.",
    )


def _reachable(url: str, *, is_encrypted: bool) -> Iterator[Finding]:
    try:
        addresses = parse(url)
        if is_encrypted:
            addresses = [address.encrypted() for address in addresses]
        verdict = ask(addresses)
    except ValueError:
        yield ok("results.backend", "Results are kept.")  # in a place that only Celery can ask
        return
    if verdict.is_healthy:
        yield ok("results.backend", "Results are kept, and their server answers.")
    else:
        says = verdict.text.replace("broker", "result backend", 1)
        yield error(
            "results.backend", f"The {says}.", "Start it, or correct CELERY_RESULT_BACKEND."
        )


def _content(conf: Any) -> Iterator[Finding]:
    for key in ("accept_content", "result_accept_content"):
        more = sorted({str(kind) for kind in conf[key] or ()} - _SAFE_CONTENT)
        if any(kind.endswith(("pickle", "yaml", "python-serialize")) for kind in more):
            yield error(
                f"settings.{key}",
                f"{key} takes {', '.join(more)}: whoever can write to the broker runs code here.",
                f"Leave {key} at ['json'].",
            )


def limits_of_pool(celery: Any, pool: str, where: str) -> Iterator[Finding]:
    """Examine whether *pool* can end tasks that run too long, as far as tasks ask for it."""
    missing = _UNENFORCED.get(LIMITS.get(pool_name(pool), ("soft", "hard")))
    if missing is None:
        return
    limited = sorted(
        name
        for name, task in celery.tasks.items()
        if not name.startswith("celery.") and (task.time_limit or task.soft_time_limit)
    )
    is_general = celery.conf.task_time_limit or celery.conf.task_soft_time_limit
    if limited or is_general:
        named = ", ".join(limited[:5]) if limited else "task_time_limit of the configuration"
        yield warning(
            "tasks.time_limits",
            f"The pool {pool} ({where}) enforces {missing}, but limits are set: {named}.",
            "Use the prefork pool for these tasks, or give their calls timeouts of their own.",
        )


def _visibility(celery: Any) -> Iterator[Finding]:
    options = celery.conf.broker_transport_options or {}
    visible_s = options.get("visibility_timeout")
    limits = [task.time_limit for task in celery.tasks.values() if task.time_limit]
    longest_s = max([*limits, celery.conf.task_time_limit or 0])
    if visible_s and longest_s and visible_s <= longest_s:
        yield error(
            "settings.visibility_timeout",
            f"visibility_timeout is {visible_s} s, but a task may run {longest_s} s: Redis gives "
            "it to a second worker while the first still runs it.",
            "Set it above the longest time limit and the longest countdown.",
        )


def _root() -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield warning(
            "process.user",
            "This runs as root; a worker that does gives whoever breaks a task the machine.",
            "Run workers as a user of their own (USER in a Dockerfile, User= in systemd, --uid).",
        )


def _state_dir(configured: str | None) -> Iterator[Finding]:
    if configured and named_folder() != configured:
        yield warning(
            "process.state_dir",
            f"CELERIAC_STATE_DIR is {configured!r} in the configuration only: a health probe, "
            "which does not read it, looks elsewhere.",
            "Set the environment variable CELERIAC_STATE_DIR too.",
        )
