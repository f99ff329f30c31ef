"""What a channel has taken: kept in hand, and delivered to its consumers when there is room."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from time import monotonic
from typing import Any

from redis.exceptions import RedisError

from .claimant import Claimant
from .hand import Hand
from .messages import ORIGIN, Unreadable, decoded, delay_of, task_id_of
from .placed import PlacedChannel
from .replies import Claimed, Delivery

# The event loop does other things after this time, where tasks run in its thread.
_DELIVERING_S = 0.05
# What a stock producer sends with an ETA so near is left to the worker's timer.
_NEAR_S = 1.0

logger = logging.getLogger(__name__)


class DeliveringChannel(PlacedChannel):
    """A channel that delivers what was claimed for its process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._cancelled: set[str] = set()
        self._cancellations = 0
        self._own_hand = Hand()
        self._consumed: frozenset[str] = frozenset()
        super().__init__(*args, **kwargs)

    @property
    def has_in_hand(self) -> bool:
        """Whether something was taken and not delivered yet."""
        claimant = self.known_claimant
        if claimant is None:
            return False
        return len(claimant.hand if claimant.is_lasting else self._own_hand) > 0

    @property
    def can_deliver(self) -> bool:
        """Whether there is a message in hand, and room for it."""
        return self.has_in_hand and bool(self._consumed) and self.qos.has_room()

    @property
    def _hand(self) -> Hand:
        """What was taken and not delivered yet; of a worker it outlives the channel."""
        claimant = self.claimant
        return claimant.hand if claimant.is_lasting else self._own_hand

    def _deliver_all(self, found: Claimed) -> bool:
        """Deliver what a claim brought, as far as there is room; return whether any was.

        There is less room than was asked for when the prefetch count has sunk meanwhile, as it
        does when a task with an ETA has started. What is too much then is given back.
        """
        hand = self._hand
        hand.put(delivery for delivery in found.deliveries if delivery.number)
        unkept = [delivery for delivery in found.deliveries if not delivery.number]
        try:
            if found.cancellations != self._cancellations:
                self._cancelled, self._cancellations = self.store.cancelled(), found.cancellations
            for delivery in unkept:
                self._deliver(delivery)
            is_any = self.deliver_in_hand()
        except BaseException:
            if hand is self._own_hand:
                self._return_undelivered(hand.take_last(len(hand)))
            raise
        wanted = hand.wanted(self.qos.prefetch_count)
        if len(hand) > 2 * wanted and not self.qos.has_room():
            self._return_undelivered(hand.take_last(len(hand) - wanted))
        if not len(hand):
            # What has run in this thread need not wait until the loop turns.
            self.claimant.flush()
        return is_any or bool(unkept)

    def deliver_in_hand(self) -> bool:
        """Deliver what was taken while there is room, for a moment; return whether any was."""
        if not self.has_in_hand or not self._consumed:
            return False
        claimant, hand = self.claimant, self._hand
        if claimant.is_leaving:
            self._return_undelivered(hand.take_last(len(hand)))
            return False
        until_s, is_any = monotonic() + _DELIVERING_S, False
        while self.qos.has_room() and (delivery := hand.take()) is not None:
            if self._is_unwanted(delivery, claimant):
                self._return_undelivered([delivery])
                continue
            is_any = True
            self._deliver(delivery)
            if monotonic() > until_s or (not self._in_poll and self.wants_more):
                # There is more to be done than this; the loop comes back by itself.
                break
        return is_any

    def _is_unwanted(self, delivery: Delivery, claimant: Claimant) -> bool:
        """It waited in hand: for minutes, or through a freeze, until a signal to end came, or until
        its queue is consumed no more.
        """
        if delivery.queue not in self._consumed:
            return True
        return claimant.is_lasting and (claimant.is_leaving or not claimant.has(delivery.number))

    def _deliver(self, delivery: Delivery) -> None:
        try:
            message = self._message(delivery)
        except BaseException:
            if delivery.number:
                self._hand.put_back([delivery])
            raise
        if message is None:
            return
        if delivery.is_redelivered and self.claimant.owed:
            # It may end this process: who is blamed then is the one that runs, not what has ended.
            self.claimant.flush()
        if self._cancelled and (cancelled := {task_id_of(message)} & self._cancelled):
            self.connection.on_cancelled(cancelled)
        try:
            self.connection._deliver(message, delivery.queue)
        except Unreadable as error:
            self.bury(delivery.number, f"unreadable: {error}")
        except (RedisError, OSError, *self.connection_errors):
            raise
        except Exception:
            # This ends the worker, and would end the one that takes the message next.
            if delivery.number and self.claimant.is_lasting:
                self.crash(self.claimant.tag(delivery.number))
            raise

    def decode_body(self, body: Any, encoding: str | None = None) -> Any:
        """As in kombu.

        Raises:
            Unreadable: It is not what *encoding* says.
        """
        try:
            return super().decode_body(body, encoding)
        except Exception as error:
            raise Unreadable(f"body: {error}") from error

    def _message(self, delivery: Delivery) -> dict[str, Any] | None:
        """Return the message to be delivered; None when it went elsewhere."""
        try:
            message = decoded(delivery.body)
        except ValueError as error:
            self.bury(delivery.number, f"unreadable: {error}")
            return None
        delay_s = delay_of(message)
        if delay_s > _NEAR_S and delivery.number:
            self.store.defer(self.claimant.incarnation, delivery.number, delay_s)
            self.claimant.drop(delivery.number)
            return None
        if delivery.number:
            properties = message["properties"]
            properties[ORIGIN] = properties.get("delivery_tag")
            properties["delivery_tag"] = self.claimant.tag(delivery.number)
        if delivery.is_redelivered:
            message["properties"]["delivery_info"]["redelivered"] = True
        return message

    def _return_undelivered(self, deliveries: Iterable[Delivery]) -> None:
        numbers = [delivery.number for delivery in deliveries]
        if not numbers:
            return
        try:
            self.claimant.give_back(numbers, is_next=True, was_delivered=False)
        except (RedisError, OSError):
            # Unknown here, they are found at the next renewals.
            for number in numbers:
                self.claimant.drop(number)
            logger.warning("%d messages are given back later.", len(numbers))

    def bury(self, number: int, reason: str) -> None:
        """Make a claimed message a dead letter; its waiters are told by a worker."""
        if number:
            claimant = self.claimant
            claimant.move(number, lambda store: store.reject(claimant.incarnation, number, reason))
        logger.error("A message is a dead letter now (%s): %s", number, reason)
