"""How a state of a task is stored: one round trip, atomic, and not by a late run."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

from celery import states
from celery.utils.log import get_logger

from .fence import Claim, claim_of, is_one_database
from .scripts import load_script

logger = get_logger(__name__)


class Store:
    """Stores for one backend.

    The fence holds where broker and backend are one database; elsewhere a late run may store
    (see `fence`).
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def put(self, key: bytes, value: str | bytes, expires_s: int, claim: Claim | None) -> bool:
        """Store and publish an encoded meta.

        A SUCCESS that is stored already is kept, as Celery keeps it.

        Args:
            key: Of the result, and the channel.
            value: The encoded meta.
            expires_s: Life time in seconds; 0: for ever.
            claim: Must be there; None: not checked.

        Returns:
            Whether the claim was there. Without it nothing was stored.
        """
        replaceable = ""
        while True:
            answer = self._script(
                keys=[key] if claim is None else [key, claim.key],
                args=[value, expires_s, claim.number if claim else "", replaceable],
                client=self._backend.client,
            )
            if answer in (b"late", "late"):
                return False
            replaceable = self.replaceable(answer)
            if not replaceable:
                return True

    def replaceable(self, answer: str | bytes) -> str:
        """Return what a script that stores is to be called with again; "": it has done its work.

        Args:
            answer: Of the script, see `store_outcome`.
        """
        if answer in (b"stored", b"kept", b"late", "stored", "kept", "late"):
            return ""
        is_success = self._backend.decode(answer)["status"] == states.SUCCESS
        return "" if is_success else _sha1(answer)

    def claim_for(self, request: Any) -> Claim | None:
        """Give the claim that a store for *request* needs, if one can be checked.

        What a task stores for others (the links after it in a chain) goes with its own claim.
        """
        if not self.is_fenced:
            return None
        claim = claim_of(request, self._prefix)
        if claim is None:
            task = self._backend.app.current_worker_task
            request = task and task.request
            claim = claim_of(request, self._prefix)
        return claim if claim and self._ends_late(request) else None

    def _ends_late(self, request: Any) -> bool:
        """Tell whether the claim of *request* lasts until its task has ended.

        A task that is acknowledged when it starts has none any more.
        """
        task = self._backend.app.tasks.get(getattr(request, "task", None))
        return task is None or bool(task.acks_late)

    def has(self, claim: Claim | None) -> bool:
        """Tell whether *claim* is there; True when there is nothing to check."""
        return claim is None or bool(self._backend.client.hexists(claim.key, claim.number))

    @cached_property
    def _script(self) -> Any:
        return load_script(self._backend.client, "store")

    @cached_property
    def is_fenced(self) -> bool:
        """Whether claims are kept in the database of the results."""
        return is_one_database(self._backend.app.conf, self._backend.connparams)

    @cached_property
    def _prefix(self) -> str:
        options = self._backend.app.conf.broker_transport_options or {}
        return str(options.get("global_keyprefix") or "")


def warn_of_late_run(task_id: str, request: Any) -> None:
    """Say that a result was not stored."""
    logger.warning(
        "The result of task %s[%s] was not stored: this was a late run of a worker that was"
        " declared dead, and the task was given to another one",
        getattr(request, "task", None) or "unknown",
        task_id,
    )


def _sha1(value: str | bytes) -> str:
    data = value.encode() if isinstance(value, str) else value
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
