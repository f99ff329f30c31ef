"""The journal of an app: made by its result backend where that is ours."""

from __future__ import annotations

import sys
from typing import Any

from celery.backends.base import DisabledBackend

from flask_celeriac.errors import ResultBackendMissing

from .elsewhere import MessageJournal, StoredJournal
from .journal import Journal

_KEPT = "celeriac_journal"


def journal_of(celery: Any) -> Journal:
    """Return the journal of a Celery app.

    Raises:
        ResultBackendMissing: It has no result backend.
    """
    backend = celery.backend
    if isinstance(backend, DisabledBackend):
        raise ResultBackendMissing(
            "Exposed tasks need a result backend: set CELERY_RESULT_BACKEND, or run "
            "`flask celery up` for development. Nothing was sent."
        )
    own: Journal | None = getattr(backend, "journal", None)
    if own is not None:
        return own
    # Kept there, so that it lives as long as its backend, which it needs itself.
    known: Journal | None = getattr(backend, _KEPT, None)
    if known is None:
        known = MessageJournal(backend) if _is_rpc(backend) else StoredJournal(backend)
        setattr(backend, _KEPT, known)
    return known


def _is_rpc(backend: Any) -> bool:
    """Tell whether results are messages; that backend is loaded only by those who have it."""
    rpc: Any = sys.modules.get("celery.backends.rpc")
    return rpc is not None and isinstance(backend, rpc.RPCBackend)
