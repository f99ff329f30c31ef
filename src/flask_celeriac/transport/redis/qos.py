"""What a channel does when messages are acknowledged, rejected or left behind."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from redis.exceptions import RedisError

from .keys import claim_of

logger = logging.getLogger(__name__)


#: Without type: the stubs leave out how kombu keeps what was delivered.
_KombuQoS: Any = kombu_redis.QoS


class QoS(_KombuQoS):  # type: ignore[misc]
    """Claims in place of kombu's `unacked` keys; its prefetch count is kombu's.

    `restore_visible` stays kombu's own: it gives back what stock workers left in `unacked`.
    """

    channel: Any

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a delivered message: the server wrote it down when it was taken."""
        virtual.QoS.append(self, message, delivery_tag)

    def can_consume(self) -> bool:
        """Tell whether a message may be taken: for a slot that nothing in hand is for, or ahead."""
        channel = self.channel
        return channel.wants_more or (not channel.has_in_hand and self.has_room())

    def has_room(self) -> bool:
        """Tell whether a message may be delivered, as kombu does."""
        return bool(super().can_consume())

    def ack(self, delivery_tag: str) -> None:
        """Settle the claim; never raises, and works after the channel was closed."""
        if (number := self.number(delivery_tag)) is not None:
            self.channel.claimant.settle(number)
        self.release(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Give the message back behind those that wait, or make it a dead letter."""
        if (number := self.number(delivery_tag)) is not None:
            if requeue:
                claimant = self.channel.claimant
                claimant.move(
                    number,
                    lambda store: store.give_back(claimant.incarnation, [number], is_next=False),
                )
            else:
                self.channel.bury(number, "rejected without requeue")
        self.release(delivery_tag)

    def release(self, delivery_tag: str) -> None:
        """Count the message as one that is not held any more: there is room for another."""
        virtual.QoS.ack(self, delivery_tag)
        connection = self.channel.connection
        if connection is not None:
            connection.cycle.wake()

    def restore_unacked_once(self, stderr: Any = None) -> None:  # noqa: ARG002
        """Give back what came through this channel, unless the claims outlive it.

        In a worker they do: a task goes on while the connection is made anew.
        """
        self._on_collect.cancel()
        self._flush()
        delivered, self._delivered.restored = list(self._delivered), True
        self._delivered.clear()
        claimant = self.channel.known_claimant
        if claimant is None or claimant.is_lasting or not claimant.is_of_this_process:
            return
        numbers = [n for n in map(self.number, delivered) if n in claimant.held]
        if numbers and self.channel.do_restore:
            # Else others take them when the lease has ended.
            with contextlib.suppress(RedisError, OSError):
                claimant.give_back(numbers, is_next=True)

    def restore_unacked(self, client: Any = None) -> None:  # noqa: ARG002
        """Give back all that came through this channel and is not settled."""
        self._flush()
        numbers = [n for n in map(self.number, self._delivered) if n is not None]
        if numbers:
            self.channel.claimant.give_back(numbers, is_next=True)
        self._delivered.clear()

    def number(self, delivery_tag: str) -> int | None:
        """Return the number of a claim of this process; None for a tag of somebody else."""
        claim = claim_of(delivery_tag)
        claimant = self.channel.known_claimant
        if claim is None or claimant is None or claim[0] != claimant.incarnation:
            return None
        return claim[1]
