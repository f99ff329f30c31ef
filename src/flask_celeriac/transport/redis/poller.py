"""Waiting for messages, and hearing at once that there is room for more."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from kombu.transport import redis as kombu_redis

_KombuPoller: Any = kombu_redis.MultiChannelPoller


def _turn() -> None:
    """Do nothing: each turn of an event loop asks for messages."""


class Poller(_KombuPoller):  # type: ignore[misc]
    """kombu's, but the end of a task is heard while no more messages may be taken.

    kombu then waits for a socket that has nothing to say: two seconds in a worker of a green pool,
    and one in the event loop of others, which does not see what is settled in a thread.
    """

    #: Celery's event loop, in a worker that has one.
    loop: Any = None

    def __init__(self) -> None:
        super().__init__()
        self._ears: tuple[int, int] | None = None
        self._is_full = False

    def get(self, callback: Callable[..., Any], timeout: float | None = None) -> Any:
        """As in kombu; ends early when a message was settled that made room."""
        self._is_full = not all(channel.qos.can_consume() for channel in self._channels)
        if self._is_full:
            self._listen()
        return super().get(callback, timeout=timeout)

    def on_poll_start(self) -> None:
        """As in kombu; what ended meanwhile is sent after the question for more."""
        super().on_poll_start()
        for channel in self._channels:
            if (claimant := channel.known_claimant) is not None:
                claimant.flush()

    def wake(self) -> None:
        """Say that there may be room again; from any thread or greenlet."""
        if self.loop is not None:
            self.loop.call_soon(_turn)
        if self._is_full and self._ears is not None:
            self._is_full = False
            with contextlib.suppress(OSError):  # full: it wakes anyway
                os.write(self._ears[1], b"\0")

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
        if self._ears is None or fileno != self._ears[0]:
            return super().handle_event(fileno, event)
        with contextlib.suppress(OSError):
            os.read(fileno, 4096)
        return True

    def close(self) -> None:
        """As in kombu."""
        super().close()
        ears, self._ears = self._ears, None
        if ears is not None:
            with contextlib.suppress(OSError, KeyError, ValueError):
                self.poller.unregister(ears[0])
            os.close(ears[0])
            os.close(ears[1])

    def _listen(self) -> None:
        if self._ears is None:
            self._ears = os.pipe()
            for fd in self._ears:
                os.set_blocking(fd, False)
            self.poller.register(self._ears[0], self.eventflags)
