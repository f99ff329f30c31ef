"""Listening for results in one process, on behalf of all who wait, on one connection.

Whoever has the turn listens for all; nobody else touches the connection and the table of who waits
for what. Others leave a note and ring. As a rule a thread of our own has the turn. While nobody
waits that thread rests, and who comes then and waits for a task that was just sent takes the turn
himself for the first moment: a quick result reaches him without a change of threads.

What comes in is put into the inbox of each `Watch`; decoding is done by those who wait.

No result is missed: a key is read once after its subscription is confirmed, and all keys are read
again after a connection was lost.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterable
from typing import Any

from celery.utils.log import get_logger

from flask_celeriac.wake import Wake

from .audience import Audience
from .ear import Heard
from .subscription import Subscription
from .watch import Waiter

logger = get_logger(__name__)

#: Seconds between looks at who has gone, and at whether anybody is left unheard.
TICK_S = 1.0
#: Seconds without anybody who waits, after which the connection is closed and the thread ends.
IDLE_S = 60.0
# For so long one who waits listens for all; later, what may last is to be done.
_LEADS_S = 0.002
_LONGEST_PAUSE_S = 1.0
_KEYS_A_READ = 500
_MOST_STALE = 100


class Listener:
    """Listens for one process on one server; the thread starts when somebody waits.

    Args:
        client: Of this listener alone; its sockets must have time limits.
    """

    def __init__(self, client: Any) -> None:
        self.pid = os.getpid()
        self._client = client
        self._lock = threading.Lock()
        self._wake: Wake | None = None
        self._called = threading.Event()
        #: Who holds it listens: what follows is his.
        self._turn = threading.Lock()
        self._leader: int | None = None
        self._subscription: Subscription | None = None
        self._audience = Audience()
        # Channels that nobody listens to any more, and that are left together.
        self._stale: set[bytes] = set()
        self._left_at_s = 0.0
        self._needed_at_s = 0.0
        self._losses = 0

    @property
    def is_running(self) -> bool:
        """Whether anybody listens while the caller waits.

        Nobody does while the interpreter ends, when the thread can not be started, and where the
        caller interrupts his own listening, in the handler of a signal.
        """
        return self._wake is not None and self._leader != threading.get_ident()

    @property
    def _is_thread_listening(self) -> bool:
        return self._turn.locked() and self._leader is None

    def add(self, watch: Heard) -> None:
        """Bring to *watch* what is stored and what is published from now on; does not wait."""
        self._audience.note(watch.key, watch)
        with self._lock:
            if self._wake is None:
                self._start()
            elif self._turn.locked():
                self._wake.ring()
            elif not watch.is_led:
                self._called.set()

    def drop(self, watch: Heard) -> None:
        """End what `add` began; seen within a second. Safe in a finalizer: takes no lock."""
        watch.is_over = True
        self._audience.note(watch.key, None)
        wake = self._wake
        # The last one lets the thread rest, so that the next one may lead.
        if wake is not None and len(self._audience) <= 1 and self._is_thread_listening:
            wake.ring()

    def read(self, watches: Iterable[Heard]) -> None:
        """Bring to each watch what is stored now.

        Raises:
            redis.exceptions.RedisError, OSError: Some may have got it, others not.
        """
        unread = list(watches)
        for start in range(0, len(unread), _KEYS_A_READ):
            part = unread[start : start + _KEYS_A_READ]
            values = self._client.mget([watch.key for watch in part])
            for watch, value in zip(part, values, strict=True):
                watch.deliver_read(value)

    def lead(self, waiter: Waiter, timeout_s: float) -> None:
        """Listen for a moment if nobody else does: until *waiter*, who waits for one, is rung.

        Afterwards the thread listens for all who wait still.

        Args:
            timeout_s: Seconds after which it ends in any case, 0 or more.
        """
        # Who does not get the turn is served by who has it.
        if not self._turn.acquire(blocking=False):
            return
        is_last = False
        try:
            self._leader = threading.get_ident()
            if self._subscription is not None:
                is_last = self._lead(self._subscription, waiter, min(_LEADS_S, timeout_s))
        finally:
            self._leader = None
            self._turn.release()
            if not is_last or self._audience.has_notes:
                self._called.set()

    def _lead(self, subscription: Subscription, waiter: Waiter, timeout_s: float) -> bool:
        """Listen as `lead` does; return whether *waiter* was rung, and nobody else waits."""
        until_s = time.monotonic() + timeout_s
        try:
            self._catch_up(subscription)
            while not waiter.is_rung:
                self._follow(subscription)
                pause_s = min(self._pause_s(subscription), until_s - time.monotonic())
                if pause_s <= 0:
                    return False
                if subscription.wait(pause_s):
                    self._bring(subscription)
        except BaseException as error:
            # Perhaps in the middle of a message.
            subscription.fail(error)
            if not isinstance(error, Exception):
                raise
            return False
        self._needed_at_s = time.monotonic()
        return len(self._audience) <= 1

    def _start(self) -> None:
        wake = Wake()
        thread = threading.Thread(
            target=self._run, args=(wake,), name="celeriac-results", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends
            wake.close()
        else:
            self._wake = wake

    def _run(self, wake: Wake) -> None:
        while self._is_needed():
            try:
                with contextlib.closing(Subscription(self._client, wake)) as subscription:
                    self._serve(subscription)
            except Exception as error:
                self._pause(error)
        wake.close()
        # Those in use are those of a thread that was started meanwhile.
        self._client.connection_pool.disconnect(inuse_connections=False)

    def _is_needed(self) -> bool:
        """Whether to go on; after a no, the next `add` starts another thread."""
        with self._turn, self._lock:
            self._audience.take_notes()
            if not self._audience:
                self._wake = None
            return bool(self._audience)

    def _serve(self, subscription: Subscription) -> None:
        """Listen until the connection is lost, or nobody has waited for long."""
        try:
            with self._turn:
                self._audience.begin_anew()
                self._stale.clear()
                subscription.change(add=self._audience.keys, drop=set())
                self._subscription = subscription
            self._needed_at_s = time.monotonic()
            while time.monotonic() - self._needed_at_s < IDLE_S:
                with self._turn:
                    self._listen(subscription)
                if not self._audience.has_notes:
                    self._called.wait(TICK_S)
                self._called.clear()
        finally:
            with self._turn:
                self._subscription = None

    def _listen(self, subscription: Subscription) -> None:
        """Listen as long as anybody waits."""
        self._catch_up(subscription)
        self._follow(subscription)
        while self._audience or self._audience.has_notes:
            has_arrived = subscription.wait(self._pause_s(subscription))
            self._follow(subscription)
            if has_arrived:
                self._bring(subscription)
            if due := self._audience.take_due(subscription.confirmed, time.monotonic()):
                self.read(due)
            subscription.check()
            self._needed_at_s = time.monotonic()

    def _pause_s(self, subscription: Subscription) -> float:
        due_at_s = self._audience.due_at_s(subscription.confirmed)
        return TICK_S if due_at_s is None else max(0.0, min(TICK_S, due_at_s - time.monotonic()))

    def _follow(self, subscription: Subscription) -> None:
        """Listen to what is wanted now; what is not is left with others, since it costs as much."""
        came, went = self._audience.take_notes()
        new = came - self._stale
        self._stale = (self._stale - came) | went
        now_s = time.monotonic()
        if len(self._stale) >= _MOST_STALE or now_s - self._left_at_s > TICK_S:
            subscription.change(add=new, drop=self._stale)
            self._stale, self._left_at_s = set(), now_s
        else:
            subscription.change(add=new, drop=set())

    def _catch_up(self, subscription: Subscription) -> None:
        """Read what came while nobody waited: it is not for those who come now."""
        if subscription.wait(0):
            self._bring(subscription)

    def _bring(self, subscription: Subscription) -> None:
        """Hand out what has come in."""
        for key, message in subscription.arrivals():
            self._audience.hand_out(key, message)
        if self._losses and subscription.confirmed:
            logger.info("The result server answers again")
            self._losses = 0

    def _pause(self, error: Exception) -> None:
        """Wait a little before connecting again, none the first time."""
        self._losses += 1
        if self._losses > 1:
            longest_s = min(_LONGEST_PAUSE_S, 0.02 * 2 ** min(self._losses, 10))
            time.sleep(longest_s * random.uniform(0.5, 1))  # noqa: S311 - only spreads load
        else:
            logger.warning("Lost the connection to the result server: %s", error)
