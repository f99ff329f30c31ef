"""This process as one that has claims: what it has, and what it still owes the server."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from weakref import WeakSet

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from . import lease_end
from .hand import Hand
from .keys import delivery_tag, new_incarnation
from .layout import Layout
from .lease import Lease
from .line import Line
from .outcome import Outcome
from .replies import Renewed
from .settling import Settling
from .store import MessageStore
from .waiting import NOT_WAITING, Waiting

logger = logging.getLogger(__name__)

#: Ends that may wait for others to go with them. Who dies meanwhile is taken to run these still,
#: and they are blamed beside what it really ran; so there are few.
MOST_OWED = 16

#: Makes a client, with this many seconds for each answer; never the same connection twice.
Connect = Callable[[float], Redis]

# A settling must not hold up the event loop for longer; what is not sent is sent again.
_ANSWER_S = 1.0


class Claimant:
    """Holds claims in the name of this process, whatever becomes of its connections.

    Settling never raises and never waits for long: what could not be sent is sent again by
    :meth:`look_after`, and a claim that somebody else has meanwhile is left alone.

    Attributes:
        incarnation: Names this process in the server; unique in time and space.
        is_lasting: Whether claims outlive the channel they came through, as in a worker. Else
            a channel that is closed gives back what came through it.
        is_leaving: Whether this process ends: its channels ask for nothing more, and what they
            asked for before is given back.
        has_left: Whether all was given back: the server gives this name nothing any more.
        parked_tasks: Names of tasks that are known here and of which messages are parked: these
            are taken too, until there are none any more.
        last: The greatest number of a claim that was ever held.
        defer: Asked by who has settled a claim in this thread. True: `flush` is called soon.
        hand: What was taken and not delivered yet, of a claimant that lasts.
        asking: The channels that wait for the reply to a claim; what it brings is not held yet.
    """

    def __init__(
        self, layout: Layout, connect: Connect, lease: Lease, *, ahead_s: float = 0.0
    ) -> None:
        self.incarnation = new_incarnation()
        self.hand = Hand(ahead_s)
        self.lease = lease
        self.is_lasting = False
        self.is_leaving = False
        self.has_left = False
        self.defer: Callable[[], bool] = _never
        self.parked_tasks: Sequence[str] = ()
        self.asking: WeakSet[object] = WeakSet()
        self.last = 0
        self._pid = os.getpid()
        self._layout = layout
        self._connect = connect
        # What ends is sent by one thread at a time.
        self.store = self._make_store(_ANSWER_S)
        self._held: set[int] = set()
        self._settling = Settling(self.incarnation)
        self._owed: dict[int, Callable[[MessageStore], object]] = {}
        self._leased_until_s = time.monotonic() + lease.lease_s
        self._strays: frozenset[int] = frozenset()
        self._lock = threading.Lock()

    @property
    def is_of_this_process(self) -> bool:
        """False in a forked child: the claims are its parent's."""
        return self._pid == os.getpid()

    @property
    def held(self) -> frozenset[int]:
        """Numbers of the claims that were delivered and not settled, given back or moved."""
        return frozenset(self._held - self._owed.keys())

    @property
    def owed(self) -> int:
        """How many ends of claims are to be sent."""
        return self._settling.owed

    def wait_for(self, waiting: Waiting) -> None:
        """Note who is to be called for the next message when nothing is held any more."""
        self._settling.waiting = waiting

    def tag(self, number: int) -> str:
        """Return the delivery tag of claim *number*."""
        return delivery_tag(self.incarnation, number)

    def has(self, number: int) -> bool:
        """Return whether nobody else can have claim *number*, as far as is known here.

        False after the process was frozen, until a renewal has said what is left.
        """
        return number in self._held and time.monotonic() < self._leased_until_s

    def hold(self, numbers: Iterable[int]) -> None:
        """Note claims that the server has written down for this process.

        What is owed to it is sent: it answers again, and who is killed must not owe for long.
        """
        numbers = set(numbers)
        self._held.update(numbers)
        self.last = max(self.last, *numbers) if numbers else self.last
        if self._settling.is_away:
            self._settling.send(self.store)

    def settle(self, number: int) -> None:
        """End a claim; at once, or as soon as the server answers."""
        self._settling.end(number)
        self._held.discard(number)
        if self._settling.is_away:
            return
        if self._settling.owed >= MOST_OWED or not self.defer():
            self._settling.send(self.store)

    def bring(self, number: int, outcome: Outcome) -> None:
        """Keep the outcome of a task until its claim is settled: both become known in one step."""
        self._settling.bring(number, outcome)

    def take_back(self, number: int) -> None:
        """Forget the outcome of a task that ends otherwise."""
        self._settling.take_back(number)

    def flush(self, store: MessageStore | None = None) -> None:
        """Send what was put off by :attr:`defer`; never raises.

        Args:
            store: Of the calling thread, where that is not the one that settles.
        """
        if not self._settling.is_away:
            self._settling.send(store or self.store)

    def move(self, number: int, act: Callable[[MessageStore], object]) -> None:
        """Let a claim go elsewhere by *act*: at once, or as soon as the server answers."""
        self._settling.take_back(number)
        self._held.add(number)
        self._owed[number] = act
        if self._settling.is_away:
            return
        try:
            self._move_owed(self.store)
        except (RedisError, OSError) as error:
            logger.warning("A message is moved when the broker answers: %s", error)

    def give_back(
        self,
        numbers: Iterable[int],
        *,
        is_next: bool,
        was_delivered: bool = True,
        store: MessageStore | None = None,
    ) -> None:
        """Make claims ready again.

        Args:
            numbers: Of the claims.
            is_next: Whether they are taken next, or after all that wait.
            was_delivered: Whether somebody may have begun with them.
            store: Of the calling thread, where that is not the one that settles.

        Raises:
            redis.exceptions.RedisError: They may still be claimed; safe to repeat.
        """
        numbers = list(numbers)
        for number in numbers:
            self._settling.take_back(number)
        (store or self.store).give_back(
            self.incarnation, numbers, is_next=is_next, was_delivered=was_delivered
        )
        self._held.difference_update(numbers)

    def give_back_hand(
        self, store: MessageStore | None = None, *, count: int | None = None
    ) -> None:
        """Make ready again what is in hand.

        Args:
            store: Of the calling thread, where that is not the one that settles.
            count: Of the last messages. None: all, and none is wanted before a task has ended.

        Raises:
            redis.exceptions.RedisError: It is still in hand.
        """
        if count is None:
            self.hand.withhold()
        taken = self.hand.take_last(len(self.hand) if count is None else count)
        if not taken:
            return
        try:
            numbers = [each.number for each in taken]
            self.give_back(numbers, is_next=True, was_delivered=False, store=store)
        except BaseException:
            self.hand.put(taken)
            raise

    def drop(self, number: int) -> None:
        """Forget a claim that the server moved elsewhere: deferred, parked, dead."""
        self._held.discard(number)

    def leave(self, store: MessageStore) -> int:
        """Settle what is done, give back all the rest, and have no lease any more.

        No channel asks for messages from now on, also while the event loop still turns.

        Args:
            store: Of the calling thread.

        Returns:
            How many claims were given back. What this process has asked for over another
            connection brings nothing any more.

        Raises:
            redis.exceptions.RedisError: The server does not answer; others take the claims when
                the lease has ended.
        """
        self.is_leaving = True
        self.wait_for(NOT_WAITING)
        if not self._settling.send_all(store):
            raise RedisConnectionError("Acknowledgements could not be sent.")
        self._move_owed(store)
        self.give_back_hand(store)
        self._held.clear()
        count = store.leave(self.incarnation)
        self.has_left = True
        return count

    def look_after(self, store: MessageStore) -> Renewed:
        """Renew the lease, send what is owed, and give back claims that nobody here knows of.

        Such strays are left when a reply of the server was lost on its way.

        Returns:
            What else there is to look after.

        Raises:
            redis.exceptions.RedisError: The server does not answer; safe to repeat.
        """
        self._settling.send_all(store)
        self._move_owed(store)
        # Before the server is asked: what is settled meanwhile is no stray.
        is_reply_due = bool(self.asking)
        known = self._held.union(self._settling.numbers)
        until_s = time.monotonic() + self.lease.lease_s
        renewed = store.renew(self.incarnation, lease_s=self.lease.lease_s)
        # Others have what was taken away; an end that is owed is refused by the server.
        lost = known - renewed.numbers
        self._held.difference_update(lost)
        self._leased_until_s = until_s
        if self.is_lasting:
            lease_end.note(until_s, max(lost, default=0))
        # A reply may be on its way, or wait for a loop that is slow to read it.
        strays = frozenset() if is_reply_due else renewed.numbers - known
        # What is unknown twice in a row, with no reply to come, has no other explanation.
        cut_off = strays & self._strays - self._held
        if cut_off:
            logger.warning("Giving back %d messages whose delivery was cut off.", len(cut_off))
            store.give_back(self.incarnation, sorted(cut_off), is_next=True)
        self._strays = strays - cut_off
        return renewed

    def new_store(self) -> MessageStore:
        """Return a store with a connection of its own, for another thread."""
        return self._make_store(self.lease.renew_s)

    def _make_store(self, answer_s: float) -> MessageStore:
        client = self._connect(answer_s)
        return MessageStore(client, self._layout, Line(client))

    def _move_owed(self, store: MessageStore) -> None:
        with self._lock:
            for number, act in list(self._owed.items()):
                act(store)
                self._held.discard(number)
                del self._owed[number]


def _never() -> bool:
    return False
