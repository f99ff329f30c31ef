"""A request that is sent again with its key is one request: it sends one task.

The key is kept with the id of the task. Whoever finds that the first one did not come to its end
sends the task again under that id; over our transport the second message adds nothing.

Source: draft-ietf-httpapi-idempotency-key-header-07; RFC 8941, section 3.3.3.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from celery.utils import uuid
from kombu.exceptions import OperationalError
from werkzeug.datastructures import Headers

from flask_celeriac.errors import CeleriacError, ResultBackendUnavailable
from flask_celeriac.record.journal.journal import Journal

from .problem import RETRY_S, Problem, invalid

HEADER = "Idempotency-Key"
#: Seconds for which a key is known.
KEPT_S = 86_400.0
#: Seconds after which a request that has not ended is taken for dead: all its waits are shorter.
LONGEST_S = 10.0
LONGEST_KEY = 255

_TEXT = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~:/@=-]+", re.ASCII)


def key_in(headers: Headers) -> str | None:
    """Return the key that a request brings; None where it brings none.

    Raises:
        Problem: 400: it is neither a text of RFC 8941 nor a plain word, or is too long.
    """
    written = headers.get(HEADER)
    if written is None:
        return None
    if quoted := _TEXT.fullmatch(written.strip()):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    else:
        key = written.strip() if _TOKEN.fullmatch(written.strip()) else ""
    if not 1 <= len(key) <= LONGEST_KEY:
        raise Problem(400, f'{HEADER} must be a text of 1 to {LONGEST_KEY} characters, as "8e03".')
    return key


def name_of(key: str, owner: str | None, task: str) -> str:
    """Return under which name a key is kept: that of others, and for other tasks, is another."""
    return _digest([owner, task, key])


@dataclass(frozen=True, slots=True)
class _Memo:
    """What is kept of the first request with a key.

    Attributes:
        digest: Of what it asked for.
        task_id: Of the task that it sends.
        at_s: When it came, in seconds of the clock of its server.
    """

    digest: str
    task_id: str
    at_s: float

    def __str__(self) -> str:
        return f"{self.digest} {self.task_id} {self.at_s}"

    @classmethod
    def read(cls, text: str) -> _Memo:
        digest, task_id, at_s = text.split(" ")
        return cls(digest, task_id, float(at_s))


def send_once(journal: Journal, name: str, asked: Any, send: Callable[[str], object]) -> str:
    """Send a task unless an earlier request with the same key did; return the id of the task.

    Args:
        name: See :func:`name_of`.
        asked: All that the request asks for; JSON.
        send: Gets the id of the task.

    Raises:
        Problem: 409: the first request is in progress. 422: it asked for something else.
        ResultBackendUnavailable: Repeat the request with its key.
        Exception: What *send* raised; the key is free again, unless the task may have been sent.
    """
    memo = _Memo(_digest(asked), uuid(), time.time())
    known = journal.reserve(name, str(memo), KEPT_S)
    if not known.is_ours:
        first = _Memo.read(known.memo)
        _require_same(first, memo)
        if known.is_done:
            return first.task_id
        if memo.at_s - first.at_s < LONGEST_S:
            detail = f"A request with this {HEADER} is in progress. Ask again with the same key."
            raise Problem(409, detail, headers={"Retry-After": str(RETRY_S)})
        memo = first
    with _freed_unless_sent(journal, name):
        send(memo.task_id)
    journal.settle(name, KEPT_S)
    return memo.task_id


def _require_same(first: _Memo, now: _Memo) -> None:
    if first.digest != now.digest:
        detail = f"This {HEADER} was used for another request: use a new one."
        raise invalid(detail, [{"header": HEADER, "detail": "use a new key"}])


@contextmanager
def _freed_unless_sent(journal: Journal, name: str) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # Of its errors the broker's alone leave open whether anything was sent.
        if isinstance(error, CeleriacError) or not isinstance(error, OperationalError):
            with suppress(ResultBackendUnavailable):
                journal.release(name)
        raise


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
