"""What a journal keeps of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

#: Our own state of a task that has said how far it is.
PROGRESS = "PROGRESS"

#: Seconds for which a record is kept after the result has expired: 7 days.
KEPT_S = 7 * 86400
#: Seconds for which the record of a task that has not ended is kept: 30 days.
WAITING_S = 30 * 86400
#: Seconds for which a cancellation is kept, as long as the transport keeps it: 30 days.
CANCELLED_S = 30 * 86400
#: How many events of a task are kept, and for how many seconds after the last.
MOST_EVENTS, EVENTS_S = 1000, 3600
#: How many of them whoever follows a task gets at once: so much waits for a client that is slow.
EVENTS_AT_ONCE = 50

Kind = Literal["state", "progress"]


def written(at: datetime) -> str:
    """Return a time as it is shown: in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A task that is about to be sent.

    Attributes:
        owner: Of the task, as the application names its users; None: nobody.
        parent_id: Of the task that sends it, whose owner it gets where it has none of its own.
        due_in_s: Seconds until it may start.
    """

    task_id: str
    name: str
    owner: str | None = None
    parent_id: str | None = None
    due_in_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal has of a task; all times are aware, in UTC.

    Attributes:
        name: Of the task.
        owner: Who sent it, as the application names its users.
        started_at: Of the first run.
        ended_at: Of the last run; None while one is under way, and before the first.
        attempts: How many runs have begun.
        last_event: Number of the latest event; 0: none yet.
        progress: The latest; None where it told of none.
    """

    task_id: str
    name: str
    owner: str | None
    queued_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: int = 0
    last_event: int = 0
    progress: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Cancellation:
    """That a task is to end.

    Attributes:
        reason: For people.
        by: Who wants it, as the application names its users.
    """

    at: datetime
    reason: str | None = None
    by: str | None = None

    def __str__(self) -> str:
        who = f" by {self.by}" if self.by else ""
        why = f": {self.reason}" if self.reason else ""
        return f"cancelled{who}{why}"

    def kept(self) -> dict[str, Any]:
        """Return what is kept of it; JSON."""
        return {"at": self.at.timestamp(), "reason": self.reason, "by": self.by}

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Cancellation:
        """Return it again from what was kept."""
        return cls(datetime.fromtimestamp(kept["at"], UTC), kept["reason"], kept["by"])

    def shown(self) -> dict[str, Any]:
        """Return how it is shown to those who ask for the task, and told to those who watch it."""
        return {"at": written(self.at), "reason": self.reason, "by": self.by}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look finds of a task.

    Attributes:
        entry: None: the task was never opened, or long ago.
        meta: What Celery stored of it, decoded; None: nothing, or it has expired.
    """

    entry: Entry | None
    meta: Mapping[str, Any] | None
    cancellation: Cancellation | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a task.

    Attributes:
        number: 1 for the first of the task, then without a gap.
    """

    number: int
    kind: Kind
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Events:
    """What happened after a certain event.

    Attributes:
        is_gap: Whether some that came between are kept no longer, or never were.
        is_cut: Whether more came after those than were given at once.
    """

    items: tuple[Event, ...] = field(default=())
    is_gap: bool = False
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What a bell brings.

    Attributes:
        events: That were told since the last time, in order; some may be missing.
        is_all: Whether nothing else can have happened. Else only a look shows the rest.
    """

    events: Sequence[Event] = ()
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is known of a key that names one request of one sender.

    Attributes:
        memo: Of the request that came first with it.
        is_done: Whether that one was answered; else it is in progress.
        is_ours: Whether the key was free and is reserved now.
    """

    memo: str
    is_done: bool
    is_ours: bool
