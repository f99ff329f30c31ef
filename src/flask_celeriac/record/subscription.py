"""One connection that is subscribed to channels; used by one thread at a time.

redis-py's own `PubSub` connects again inside a read, without a time limit and without telling. Here
every loss is an error, so that nothing is missed unnoticed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from flask_celeriac.wake import Wait, Wake

#: Seconds of silence after which the server is asked whether it is there.
PING_S = 5.0
#: Seconds within which it must answer that, or a subscription.
ANSWER_S = 5.0
_CHANNELS_A_COMMAND = 1000


class Subscription:
    """A connection taken from *client*'s pool.

    Args:
        wake: Ends a wait for messages.

    Raises:
        redis.exceptions.RedisError, OSError: There is none.
    """

    def __init__(self, client: Any, wake: Wake) -> None:
        self._pool = client.connection_pool
        self._connection = self._pool.get_connection()
        # Private to redis-py, as in Celery's own backend; pinned by a test.
        self._sock = self._connection._sock
        self._wait = Wait(wake, self._sock)
        #: Channels of which no message is missed, since when in seconds of the monotonic clock.
        self.confirmed: dict[bytes, float] = {}
        self._unconfirmed: Counter[bytes] = Counter()
        self._heard_at = time.monotonic()
        self._asked_at: float | None = None
        self._failure: Exception | None = None

    def change(self, add: set[bytes], drop: set[bytes]) -> None:
        """Subscribe and unsubscribe, without waiting for the answers."""
        commands = [*_commands("UNSUBSCRIBE", drop), *_commands("SUBSCRIBE", add)]
        if commands:
            for channel in drop:
                self.confirmed.pop(channel, None)
            self._unconfirmed.update(add)
            self._send(commands)

    def arrivals(self) -> Iterator[tuple[bytes, bytes]]:
        """Give the channel and the message of all that `wait` has found to read."""
        has_more = True
        while has_more:
            answer = self._connection.read_response()
            self._heard_at = time.monotonic()
            self._asked_at = None
            if isinstance(answer, list) and len(answer) == 3:  # else a pong
                kind, channel, data = answer
                if kind == b"message":
                    yield channel, data
                elif kind == b"subscribe":
                    self._confirm(channel)
            has_more = self._connection.can_read(timeout=0)

    def wait(self, timeout_s: float) -> bool:
        """Wait until there are messages, somebody rings or *timeout_s* are over.

        Returns:
            Whether there is something to read.

        Raises:
            Exception: What made it useless, see `fail`; it is closed.
        """
        self._check_socket()
        return self._wait(timeout_s)

    def check(self) -> None:
        """Ask a server that has been silent; call it when nothing is left to read.

        Raises:
            redis.exceptions.TimeoutError: It does not answer.
        """
        now = time.monotonic()
        if self._asked_at is not None:
            if now - self._asked_at > ANSWER_S:
                raise RedisTimeoutError(f"No answer for {ANSWER_S:g} s")
        elif now - self._heard_at > PING_S:
            self._send([("PING",)])

    def fail(self, error: BaseException) -> None:
        """Close a connection that *error* made useless: whoever uses it next is told so."""
        if isinstance(error, Exception):
            self._failure = error
        else:
            self._failure = RedisConnectionError(f"Interrupted by {type(error).__name__}")
        self._connection.disconnect()

    def close(self) -> None:
        """Close the connection; safe to repeat."""
        self._connection.disconnect()
        self._pool.release(self._connection)

    def _check_socket(self) -> None:
        """Make sure that it is open, and that redis-py has not connected again by itself.

        Raises:
            Exception: What made it useless.
        """
        if self._connection._sock is not self._sock:
            raise self._failure or RedisConnectionError("The connection is closed")

    def _send(self, commands: list[tuple[Any, ...]]) -> None:
        self._check_socket()
        packed = self._connection.pack_commands(commands)
        self._connection.send_packed_command(packed, check_health=False)
        if self._asked_at is None:
            self._asked_at = time.monotonic()

    def _confirm(self, channel: bytes) -> None:
        """Count one answer; only that to the last subscription says that it is there to stay."""
        self._unconfirmed[channel] -= 1
        if self._unconfirmed[channel] <= 0:
            del self._unconfirmed[channel]
            self.confirmed[channel] = self._heard_at


def _commands(name: str, channels: Collection[bytes]) -> Iterator[tuple[Any, ...]]:
    every = list(channels)
    for start in range(0, len(every), _CHANNELS_A_COMMAND):
        yield (name, *every[start : start + _CHANNELS_A_COMMAND])
