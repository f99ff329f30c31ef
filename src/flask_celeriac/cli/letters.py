"""Dead letters as people read them. Arguments are shown to those alone who ask for them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask_celeriac.transport.redis.messages import decoded

from . import layout

if TYPE_CHECKING:
    from flask_celeriac.transport.redis.replies import DeadLetter
    from flask_celeriac.transport.redis.store import MessageStore

#: Hold the arguments of the task, or what the application let travel with it.
_SECRET_HEADERS = frozenset({"argsrepr", "kwargsrepr", "celeriac"})
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Letter:
    """What a dead letter says of itself.

    Attributes:
        task: Name of the task; "" when the message can not be read or names none.
        id: Of the task; likewise.
        headers: Of the message, without what holds arguments.
        body: Of the message, with the arguments.
    """

    number: int
    queue: str
    reason: str
    attempts: int
    died_at: datetime
    task: str
    id: str
    headers: dict[str, Any] = field(repr=False)
    body: str = field(repr=False)

    @property
    def age_s(self) -> float:
        """Seconds since it became one."""
        return max(time.time() - self.died_at.timestamp(), 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return what a list shows, for programs."""
        return {
            "number": self.number,
            "task": self.task or None,
            "id": self.id or None,
            "queue": self.queue,
            "reason": self.reason,
            "attempts": self.attempts,
            "died_at": self.died_at.isoformat(timespec="seconds"),
        }


def each(store: MessageStore, *, task: str | None, queue: str | None) -> Iterator[Letter]:
    """Give dead letters, the youngest first: all, or those of a task or a queue."""
    start = 0
    while letters := store.dead_letters(start, _PAGE):
        start += _PAGE
        for raw in letters:
            letter = read(raw)
            if task in (None, letter.task) and queue in (None, letter.queue):
                yield letter


def read(raw: DeadLetter) -> Letter:
    """Read one; what can not be read keeps its bytes as its body."""
    headers, body = _parts_of(raw.body)
    return Letter(
        number=raw.number,
        queue=raw.queue,
        reason=raw.reason,
        attempts=raw.attempts,
        died_at=datetime.fromtimestamp(raw.at, UTC),
        task=str(headers.get("task") or ""),
        id=str(headers.get("id") or ""),
        headers={k: v for k, v in headers.items() if k not in _SECRET_HEADERS},
        body=body,
    )


def _parts_of(raw: bytes) -> tuple[dict[str, Any], str]:
    """Return headers and body of a message."""
    try:
        message = decoded(raw)
    except ValueError:
        return {}, _as_text(raw)
    headers = message.get("headers")
    return headers if isinstance(headers, dict) else {}, _body_of(message)


def _body_of(message: dict[str, Any]) -> str:
    body = message["body"]
    if message["properties"].get("body_encoding") != "base64":
        return str(body)
    try:
        return _as_text(base64.b64decode(body))
    except (TypeError, ValueError):
        return str(body)


def _as_text(body: bytes) -> str:
    return body.decode(errors="backslashreplace")


def table(letters: list[Letter]) -> str:
    """Return a table, without arguments."""
    return layout.table(
        ("number", "task", "id", "queue", "attempts", "age", "reason"),
        [
            (
                letter.number,
                plain(letter.task or "-"),
                plain(letter.id or "-"),
                plain(letter.queue),
                letter.attempts,
                layout.duration(letter.age_s),
                plain(letter.reason),
            )
            for letter in letters
        ],
    )


def in_full(letter: Letter, *, has_body: bool) -> str:
    """Return one letter, line by line."""
    facts = {
        "task": letter.task or "-",
        "id": letter.id or "-",
        "queue": letter.queue,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "died at": letter.died_at.isoformat(" ", "seconds"),
    }
    lines = [f"Dead letter {letter.number}"]
    lines += [f"  {name:<9} {plain(str(value))}" for name, value in facts.items()]
    lines += ["Headers", *(f"  {plain(k)}: {plain(_short(v))}" for k, v in letter.headers.items())]
    if has_body:
        lines += ["Body", f"  {plain(letter.body)}"]
    return "\n".join(lines)


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def plain(text: str) -> str:
    """Escape what would steer a terminal: anybody may have written a message."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
