"""Results in files, which Celery writes in two steps: who reads may come in between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from celery import states
from kombu.exceptions import DecodeError

#: Seconds; to write takes less than the first.
_PAUSES_S = (0.002, 0.01, 0.05, 0.2)


def whole_meta(backend: Any, task_id: str) -> Mapping[str, Any]:
    """Return the meta of a task from Celery's backend of files, when all of it is there.

    Raises:
        kombu.exceptions.DecodeError: It is not; whoever wrote it has died.
    """
    key = backend.get_key_for_task(task_id)
    for pause_s in _PAUSES_S:
        text = backend.get(key)
        if text is None:
            return {"status": states.PENDING, "result": None}
        try:
            return _decoded(backend, text)
        except DecodeError:
            time.sleep(pause_s)
    return _decoded(backend, backend.get(key) or b"")


def _decoded(backend: Any, text: bytes) -> Mapping[str, Any]:
    if not text:
        raise DecodeError("the file is empty")
    meta: Mapping[str, Any] = backend.decode_result(text)
    return meta
