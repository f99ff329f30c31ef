"""The end of claims, many at a time."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from .outcome import Ending, Outcome
from .store import MessageStore
from .waiting import NOT_WAITING

_MOST_AT_ONCE = 500
_MOST_BYTES = 1 << 20

logger = logging.getLogger(__name__)

_Owed = tuple[int, Outcome | None]


class Settling:
    """Ends the claims of one process; an outcome is stored in one step with the end of its claim.

    Whoever comes first sends for all who come meanwhile, so that busy threads share round trips
    while a lone one waits for nobody.

    Attributes:
        is_away: Whether the server did not answer the last time.
        waiting: Who is called for the next message when the last claim has ended.
    """

    def __init__(self, incarnation: str) -> None:
        self._incarnation = incarnation
        self._owed: deque[_Owed] = deque()
        self._brought: dict[int, Outcome] = {}
        self._lock = threading.Lock()
        self.is_away = False
        self.waiting = NOT_WAITING

    @property
    def owed(self) -> int:
        """How many claims have ended whose end is to be sent."""
        return len(self._owed)

    @property
    def numbers(self) -> frozenset[int]:
        """Of the claims whose end is to be sent."""
        return frozenset(number for number, _ in tuple(self._owed))

    def bring(self, number: int, outcome: Outcome) -> None:
        """Keep an outcome until its claim ends."""
        self._brought[number] = outcome

    def take_back(self, number: int) -> None:
        """Forget the outcome of a claim that does not end by it."""
        self._brought.pop(number, None)

    def end(self, number: int) -> None:
        """Note that a claim is to end, with the outcome that was brought."""
        self._owed.append((number, self._brought.pop(number, None)))

    def send(self, store: MessageStore) -> None:
        """Send what is owed, or leave that to who does so already; what fails stays owed."""
        while self._owed and self._lock.acquire(blocking=False):
            try:
                is_sent = self._send_some(store)
            finally:
                self._lock.release()
            if not is_sent:
                return

    def send_all(self, store: MessageStore) -> bool:
        """Send what is owed, after who does so already; return False where some of it failed."""
        with self._lock:
            while self._owed:
                if not self._send_some(store):
                    return False
        return True

    def _send_some(self, store: MessageStore) -> bool:
        owed, was_away = self._portion(), self.is_away
        try:
            endings = self._finish_again(store, owed)
        except (RedisError, OSError) as error:
            if not was_away:
                logger.warning("Acknowledgements wait until the broker answers: %s", error)
            self.is_away = True
            return False
        was_away, self.is_away = self.is_away, False
        for _ in owed:
            self._owed.popleft()
        for (number, outcome), ending in zip(owed, endings, strict=True):
            if outcome is not None and ending is Ending.APART:
                self._store_apart(number, outcome)
        # After a broken connection some may have arrived the first time.
        if not was_away:
            _tell_late(owed, endings)
        return True

    def _portion(self) -> list[_Owed]:
        portion: list[_Owed] = []
        size = 0
        for number, outcome in list(islice(self._owed, _MOST_AT_ONCE)):
            size += len(outcome.value) if outcome else 0
            if portion and size > _MOST_BYTES:
                break
            portion.append((number, outcome))
        return portion

    def _finish_again(self, store: MessageStore, owed: Sequence[_Owed]) -> list[Ending]:
        """Try a second time where the connection is gone, as one that was idle for long may be."""
        try:
            return self._finish(store, owed)
        except RedisConnectionError:
            # So that nobody is told late who was early the first time.
            self.is_away = True
            return self._finish(store, owed)

    def _finish(self, store: MessageStore, owed: Sequence[_Owed]) -> list[Ending]:
        try:
            return store.finish(self._incarnation, owed, self.waiting)
        except ResponseError:
            # Of one outcome, such as a key that is no string; those before it have ended.
            alone = [self._finish_alone(store, *each) for each in owed]
            return [ending or Ending.ENDED for ending in alone]

    def _finish_alone(self, store: MessageStore, number: int, outcome: Outcome | None) -> Ending:
        try:
            return store.finish(self._incarnation, [(number, outcome)])[0]
        except ResponseError:
            if outcome is None:
                raise
            return Ending.APART

    def _store_apart(self, number: int, outcome: Outcome) -> None:
        try:
            outcome.store()
        except Exception:
            logger.exception("The result %r could not be stored.", outcome.key)
        self._owed.append((number, None))


def _tell_late(owed: Sequence[_Owed], endings: Sequence[Ending]) -> None:
    late = [outcome for (_, outcome), ending in zip(owed, endings, strict=True) if not ending]
    for outcome in late:
        if outcome is not None:
            outcome.tell_late()
    if late:
        logger.warning(
            "%d tasks ended after this process had been taken for dead: others run or ran "
            "them again, and their acknowledgement was refused.",
            len(late),
        )
