"""Waiting for messages, and hearing at once that there is room for more."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from queue import Empty
from time import monotonic
from typing import Any

from kombu.transport import redis as kombu_redis

from flask_celeriac.wake import Wake

# While there is something to deliver, sockets are looked at this often.
_LOOK_S = 0.02

_KombuPoller: Any = kombu_redis.MultiChannelPoller


class Poller(_KombuPoller):  # type: ignore[misc]
    """kombu's, but the end of a task is heard while no more messages may be taken.

    kombu then waits for a socket that has nothing to say: two seconds in a worker of a green pool,
    and one in the event loop of others, which does not see what is settled in a thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ears: Wake | None = None
        self._loop: Any = None
        self._loop_thread = 0
        self._is_full = False
        self._looked_s = 0.0
        self._is_glancing = False

    def get(self, callback: Callable[..., Any], timeout: float | None = None) -> Any:
        """As in kombu; ends early when a message was settled that made room."""
        is_any = self._deliver_in_hand()
        if is_any and monotonic() - self._looked_s < _LOOK_S:
            return None
        self._looked_s = monotonic()
        self._is_full = not all(channel.qos.has_room() for channel in self._channels)
        if self._is_full:
            self._listen()
        self._is_glancing = is_any
        try:
            return super().get(callback, timeout=0 if is_any else timeout)
        except Empty:
            if is_any:
                return None
            raise
        finally:
            self._is_glancing = False

    def on_poll_start(self) -> None:
        """As in kombu; what ended meanwhile is sent after the question for more.

        While there is more to do, it may wait for others to go with it, as long as who has put it
        off allows.
        """
        super().on_poll_start()
        for channel in self._channels:
            if channel.can_deliver:
                # Not here: pools look before this what they are to do.
                self._ring()
            if not channel.has_in_hand and (claimant := channel.known_claimant) is not None:
                claimant.flush()

    def _deliver_in_hand(self) -> bool:
        """Deliver what was taken ahead; return whether there was any."""
        is_any = False
        for channel in tuple(self._channels):  # a task may open others
            is_any |= channel.deliver_in_hand()
        return is_any

    def serve(self, loop: Any) -> None:
        """Deliver in Celery's event loop, as soon as there is room; called by its thread."""
        self._loop, self._ears = loop, Wake()
        self._loop_thread = threading.get_ident()
        loop.add_reader(self._ears.fileno(), self._hear)

    def wake(self) -> None:
        """Say that there may be room again; from any thread or greenlet.

        The thread of the event loop need not be told: before it waits again it looks by itself.
        """
        if self._loop is None:
            if self._is_full:
                self._ring()
        elif threading.get_ident() != self._loop_thread:
            self._ring()

    def _ring(self) -> None:
        self._is_full = False
        if self._ears is not None:
            self._ears.ring()

    def _hear(self) -> None:
        if self._ears is not None:
            self._ears.hear()
        self._deliver_in_hand()

    def on_readable(self, fileno: int) -> Any:
        """As in kombu, but a claim is read at once.

        kombu leaves the reply until there is room. What it brings is written down for this
        process already, while nobody runs it: the channel gives back what has no room.
        """
        channel, kind = self._fd_to_chan.get(fileno, (None, ""))
        if kind == "BRPOP" and channel.is_claiming:
            return channel.handlers[kind]()
        return super().on_readable(fileno)

    def _pause_brpop(self, channel: Any, fileno: int) -> None:
        if not channel.is_claiming:
            super()._pause_brpop(channel, fileno)

    def handle_event(self, fileno: int, event: int) -> Any:
        """As in kombu."""
        if self._ears is None or fileno != self._ears.fileno():
            return super().handle_event(fileno, event)
        self._ears.hear()
        # True ends the wait, and what else has come is left to the next one.
        return not self._is_glancing

    def close(self) -> None:
        """As in kombu."""
        super().close()
        ears, self._ears = self._ears, None
        if ears is None:
            return
        if self._loop is not None:
            self._loop.remove_reader(ears.fileno())
        else:
            with contextlib.suppress(OSError, KeyError, ValueError):
                self.poller.unregister(ears.fileno())
        ears.close()

    def _listen(self) -> None:
        if self._ears is None:
            self._ears = Wake()
            self.poller.register(self._ears.fileno(), self.eventflags)
