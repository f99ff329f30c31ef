"""What a stream tells of one task: all that has happened, or what differs from the last look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Protocol

from celery import states

from flask_celeriac.record.journal.facts import Event, Seen
from flask_celeriac.record.journal.journal import Journal

from .status import entry_of, is_finished, state_of

#: Shows a task as its status resource does.
Body = Callable[[Seen], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Item:
    """One event of a stream.

    Attributes:
        number: By which a client goes on after it.
        kind: "state", "progress", "reset" or "end".
    """

    number: int
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cursor:
    """After what a client wants to go on.

    Attributes:
        number: Of the last event that it has; 0: it has none.
        is_ours: Whether such a number can have come from here.
    """

    number: int = 0
    is_ours: bool = True

    @classmethod
    def read(cls, text: str | None) -> Cursor | None:
        """Read what a client sent; None where it sent nothing."""
        if not text:
            return None
        is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
        return cls(int(text)) if is_number else cls(is_ours=False)

    def is_past(self, seen: Seen) -> bool:
        """Tell whether the client has all that will ever be told of a task."""
        return self.is_ours and is_finished(seen) and self.number > _last(seen)


# Of what Redis takes for the number of an event.
_MOST_DIGITS = 18


class News(Protocol):
    """What is new of one task.

    Attributes:
        is_over: Whether nothing more will come.
        is_behind: Whether there is more than was given: look.
    """

    is_over: bool
    is_behind: bool

    def hear(self, events: Sequence[Event]) -> Iterator[Item]:
        """Give those of *events* that are new, as far as none is missing before them."""
        ...

    def look(self) -> Iterator[Item]:
        """Give what came since the last time, in order.

        Raises:
            ResultBackendUnavailable: It can not be known now; nothing is lost.
        """
        ...


def news_of(journal: Journal, task_id: str, cursor: Cursor | None, body: Body) -> News:
    """Return the news of a task from *cursor* on; None: from the first that is kept."""
    return (Told if journal.can_push else Compared)(journal, task_id, cursor, body)


class Told:
    """News from a journal that keeps events: each of them, once."""

    def __init__(self, journal: Journal, task_id: str, cursor: Cursor | None, body: Body) -> None:
        self.is_over, self.is_behind = False, True
        self._journal, self._task_id, self._body = journal, task_id, body
        self._after = cursor.number if cursor else 0
        # Whoever comes without a cursor has missed nothing, as long as something is kept.
        self._is_new = cursor is None
        self._is_lost = cursor is not None and not cursor.is_ours

    def hear(self, events: Sequence[Event]) -> Iterator[Item]:
        """See `News`."""
        for event in events:
            self.is_behind = self.is_behind or event.number > self._after + 1
            if not self.is_behind:
                yield from self._items((event,))

    def look(self) -> Iterator[Item]:
        """See `News`."""
        self.is_behind = True
        # What is finished by then has no events after those, unless they are cut.
        seen, events = self._journal.follow(self._task_id, self._after)
        self.is_behind = events.is_cut
        if seen.entry is None:
            self.is_over = True
            return
        if self._is_lost or (events.is_gap and not (self._is_new and events.items)):
            self._after = _last(seen)
            yield Item(self._after, "reset", self._body(seen))
        self._is_new = self._is_lost = False
        yield from self._items(events.items)
        if is_finished(seen) and not events.is_cut:
            self.is_over = True
            yield Item(self._after + 1, "end", self._body(seen))

    def _items(self, events: Iterable[Event]) -> Iterator[Item]:
        for event in events:
            # What was told before, or is part of a reset, is not told again.
            if event.number > self._after:
                self._after = event.number
                yield Item(event.number, event.kind, event.data)


class Compared:
    """News from a journal without events: what differs from the last look.

    Nothing can be resumed, so all but the end have the number 0.
    """

    def __init__(self, journal: Journal, task_id: str, cursor: Cursor | None, body: Body) -> None:
        self.is_over = self.is_behind = False
        self._journal, self._task_id, self._body = journal, task_id, body
        self._is_lost = cursor is not None
        self._known: Set[tuple[str, Any]] = frozenset()

    def hear(self, events: Sequence[Event]) -> Iterator[Item]:  # noqa: ARG002
        """Nothing is heard here."""
        return iter(())

    def look(self) -> Iterator[Item]:
        """See `News`."""
        seen = self._journal.look(self._task_id)
        if seen.entry is None:
            self.is_over = True
            return
        facts = dict(_facts(seen))
        if self._is_lost:
            self._is_lost = False
            yield Item(0, "reset", self._body(seen))
        else:
            yield from (item for fact, item in facts.items() if fact not in self._known)
        self._known = facts.keys()
        if is_finished(seen):
            self.is_over = True
            yield Item(_last(seen) + 1, "end", self._body(seen))


def _facts(seen: Seen) -> Iterator[tuple[tuple[str, Any], Item]]:
    """Give what would have been told of a task, each by what tells it from others."""
    entry, wish = entry_of(seen), seen.cancellation
    runs, progress = entry.attempts, entry.progress
    if runs:
        yield ("run", runs), Item(0, "state", {"state": states.STARTED})
    if progress is not None:
        yield ("progress", repr(progress)), Item(0, "progress", progress)
    if state_of(seen) == states.RETRY:
        yield ("retry", runs), Item(0, "state", {"state": states.RETRY, "retries": runs})
    if wish is not None:
        yield ("cancellation", wish), Item(0, "state", {"cancellation": wish.shown()})


def _last(seen: Seen) -> int:
    return seen.entry.last_event if seen.entry else 0
