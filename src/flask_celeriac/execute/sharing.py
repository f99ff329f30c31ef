"""What a worker has taken ahead goes back when another worker has nothing to do.

How long a task takes shows when it has ended; then the ones behind it have waited. Where nothing
was begun for a while all goes back; else what is more than should be there, now that tasks take
longer. A native thread looks, since a task that runs in the thread of the event loop keeps that
from turning.
"""

from __future__ import annotations

import logging

from redis.exceptions import RedisError

from flask_celeriac.native_thread import NativeThread
from flask_celeriac.transport.redis.claimant import Claimant

_LOOK_S = 0.25
#: Seconds for which nothing was begun, before others are asked after.
_STILL_S = 0.4

logger = logging.getLogger(__name__)


class Sharing:
    """Gives back what *claimant* has in hand, at once when it leaves."""

    def __init__(self, claimant: Claimant) -> None:
        self._claimant = claimant
        self._thread = NativeThread(self._run)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; what is in hand stays there."""
        self._thread.stop()

    def _run(self, thread: NativeThread) -> None:
        claimant, hand = self._claimant, self._claimant.hand
        store = claimant.new_store()
        while thread.rest(_LOOK_S):
            is_still = hand.still_s >= _STILL_S or claimant.is_leaving
            if not len(hand) or not (is_still or hand.excess):
                continue
            try:
                if claimant.is_leaving or store.is_other_idle(
                    claimant.incarnation, sorted(hand.queues)
                ):
                    claimant.give_back_hand(store, count=None if is_still else hand.excess)
            except (RedisError, OSError) as error:
                logger.debug("What is in hand stays there: %s", error)
        store.client.close()
