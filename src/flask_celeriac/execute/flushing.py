"""What has ended goes out together, and soon.

The event loop sends it when it turns and has nothing more in hand. A task that runs in the loop's
own thread, or a shutdown that waits for a pool, keeps it from turning; so a native thread sends
what is left a moment later. Other threads send at once, unless there is more to do.
"""

from __future__ import annotations

import threading

from flask_celeriac.native_thread import NativeThread
from flask_celeriac.transport.redis.claimant import Claimant

#: Seconds for which a result or an acknowledgement may wait for others.
LATEST_S = 0.01
# The thread sleeps after a second without anything to send.
_QUIET_TURNS = 100
_SLEEP_S = 3600.0


class Flushing:
    """Puts off what *claimant* settles; made by the thread of the event loop."""

    def __init__(self, claimant: Claimant) -> None:
        self._claimant = claimant
        self._loop_thread = threading.get_ident()
        self._is_asleep = False
        self._thread = NativeThread(self._run)
        self._thread.start()
        claimant.defer = self._defer

    def stop(self) -> None:
        """Put nothing off any more; what is owed is left to who calls this."""
        self._claimant.defer = _never
        self._thread.stop()

    def _defer(self) -> bool:
        if threading.get_ident() != self._loop_thread and not len(self._claimant.hand):
            return False
        if self._is_asleep:
            self._thread.wake()
        return True

    def _run(self, thread: NativeThread) -> None:
        store = self._claimant.new_store()
        quiet = 0
        while thread.rest(LATEST_S):
            if self._claimant.owed:
                self._claimant.flush(store)
                quiet = 0
            elif quiet < _QUIET_TURNS:
                quiet += 1
            else:
                self._is_asleep = True
                # Asked again: what was settled before that has woken nobody.
                if not self._claimant.owed:
                    thread.rest(_SLEEP_S)
                self._is_asleep = False
                quiet = 0
        store.client.close()


def _never() -> bool:
    return False
