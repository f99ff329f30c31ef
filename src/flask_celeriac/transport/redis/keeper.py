"""The thread that keeps a process's claims, and takes over those of dead ones."""

from __future__ import annotations

import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from flask_celeriac.native_thread import NativeThread

from .claimant import Claimant
from .store import MessageStore

logger = logging.getLogger(__name__)

Duty = Callable[[MessageStore], None]


class Keeper:
    """Looks after a claimant every few seconds, from a native thread.

    Native, since a task that computes keeps greenlets from running and must not lose its lease
    for that.

    Attributes:
        is_well: Asked each time. False: the lease is not renewed, so that others take over.
        on_parked: Called when there are parked messages, with a store of the thread's own.
        on_dead: Called likewise when there are dead letters whose waiters were not told.
    """

    def __init__(self, claimant: Claimant) -> None:
        self._claimant = claimant
        self.is_well: Callable[[], bool] = _always
        self.on_parked: Duty = _nothing
        self.on_dead: Duty = _nothing
        self._thread = NativeThread(self._run)

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        self._thread.start()

    def stop(self) -> None:
        """End now, or when the server has answered; the claimant is left as it is.

        The duties are dropped at once: they hold a worker, and so its app.
        """
        self.is_well, self.on_parked, self.on_dead = _always, _nothing, _nothing
        self._thread.stop()

    def _run(self, thread: NativeThread) -> None:
        store = self._claimant.new_store()
        was_away = False
        while not thread.is_stopping:
            try:
                self._turn(store)
                was_away = False
            except (RedisError, OSError) as error:
                if not was_away:
                    logger.warning("The lease can not be renewed at present: %s", error)
                was_away = True
            # While the server is away, what is owed goes out as soon as it is back.
            thread.rest(1.0 if was_away else self._claimant.lease.renew_s)
        store.client.close()

    def _turn(self, store: MessageStore) -> None:
        if not self.is_well():
            return
        found = self._claimant.look_after(store)
        if found.has_expired:
            _reap(store)
        if found.has_parked:
            self.on_parked(store)
        if found.has_unreported:
            self.on_dead(store)


def _always() -> bool:
    return True


def _nothing(_: MessageStore) -> None:
    pass


def _reap(store: MessageStore) -> None:
    count, dead = store.reap()
    if count:
        logger.warning("Took over %d messages of processes that are gone.", count)
    for number in dead:
        logger.error("Message %d ended its process too often: it is a dead letter now.", number)
