"""Taking messages: a claim, and when it brings less than asked, a wait for the bell.

The poller calls `_brpop_start` when there is room for a message, and `_brpop_read` when the answer
is there. Both commands travel on one connection, so that nothing blocks the event loop.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from queue import Empty
from time import monotonic
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from . import scripts
from .claimant import Claimant
from .hand import Hand
from .messages import ORIGIN, Unreadable, decoded, delay_of, task_id_of
from .placed import PlacedChannel
from .replies import Claimed, Delivery, claimed

_MOST_AT_ONCE = 100
_WITHOUT_PREFETCH = 1
_SHORTEST_WAIT_S = 0.01
# The event loop does other things after this time, where tasks run in its thread.
_DELIVERING_S = 0.05
_CLAIMS = ("EVALSHA", "EVAL")
# What a stock producer sends with an ETA so near is left to the worker's timer.
_NEAR_S = 1.0

logger = logging.getLogger(__name__)


class ConsumingChannel(PlacedChannel):
    """A channel that writes down what it takes for its process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._keeps: dict[str, bool] = {}
        self._has_looked_in_vain = False
        self._asked_for = 0
        self._command = ""
        self._tasks: Sequence[str] = ()
        self._wait_s = _SHORTEST_WAIT_S
        self._is_script_unknown = False
        self._cancelled: set[str] = set()
        self._cancellations = 0
        self._own_hand = Hand()
        self._consumed: frozenset[str] = frozenset()
        # As of the claim that is on its way, and as the server knows.
        self._slots: int | None = None
        self._known_slots: int | None = None
        super().__init__(*args, **kwargs)

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, **kwargs: Any
    ) -> Any:
        """Consume from *queue*; without acknowledgement nothing is written down."""
        self._keeps[queue] = not no_ack
        self._has_looked_in_vain = False
        tag = super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)
        self._consumed = frozenset(self.active_queues)
        return tag

    def basic_cancel(self, consumer_tag: str) -> None:
        """As in kombu."""
        super().basic_cancel(consumer_tag)
        self._consumed = frozenset(self.active_queues)

    @property
    def is_claiming(self) -> bool:
        """Whether the reply to a claim is to come."""
        return bool(self._in_poll) and self._command in _CLAIMS

    @property
    def wants_more(self) -> bool:
        """Whether there is less in hand than half of what there should be."""
        claimant = self.known_claimant
        if claimant is None or not claimant.is_lasting or claimant.is_leaving:
            return False
        return 2 * len(claimant.hand) < claimant.hand.wanted(self.qos.prefetch_count)

    @property
    def has_in_hand(self) -> bool:
        """Whether something was taken and not delivered yet."""
        return self.known_claimant is not None and len(self._hand) > 0

    @property
    def can_deliver(self) -> bool:
        """Whether there is a message in hand, and room for it."""
        return self.has_in_hand and bool(self._consumed) and self.qos.has_room()

    @property
    def _hand(self) -> Hand:
        """What was taken and not delivered yet; of a worker it outlives the channel."""
        return self.claimant.hand if self.claimant.is_lasting else self._own_hand

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not any(self._keeps[queue] for queue in queues):
            self._command = "BRPOP"
            super()._brpop_start(timeout)
            return
        if self.claimant.is_leaving:
            return
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        if self._has_looked_in_vain:
            self._send_wait(queues)
        else:
            self._send_claim({queue: self._keeps[queue] for queue in queues})

    def _send_wait(self, queues: list[str]) -> None:
        self._command = "BLPOP"
        bells = [self.layout.bell_key(queue) for queue in queues]
        self.client.connection.send_command("BLPOP", *bells, self._wait_s)

    def _send_claim(self, queues: Mapping[str, bool]) -> None:
        self._slots = self.qos.prefetch_count or None if self._hand.ahead_s else None
        room = self._room()
        hand = self._hand
        ahead = hand.wanted(self.qos.prefetch_count) - len(hand)
        self._asked_for = min(max(room + ahead, 1), _MOST_AT_ONCE)
        self._tasks = self.claimant.parked_tasks
        arguments = self.layout.claim_arguments(
            self.claimant.incarnation,
            self.lease_s,
            self._asked_for,
            self.claimant.last,
            queues,
            self._tasks,
            is_idle=self.claimant.is_lasting and room > 0,
            slots=None if self._slots == self._known_slots else self._slots,
        )
        script = scripts.script("claim")
        self._command = "EVAL" if self._is_script_unknown else "EVALSHA"
        name = script.text if self._is_script_unknown else script.sha
        self.claimant.asking.add(self)
        self.client.connection.send_command(self._command, name, 1, *arguments)

    def _room(self) -> int:
        estimate = self.qos.can_consume_max_estimate()
        return _WITHOUT_PREFETCH if estimate is None else max(estimate, 0)

    def _brpop_read(self, **options: Any) -> bool:
        if self._command == "BRPOP":
            return bool(super()._brpop_read(**options))
        try:
            found = self._read_claimed(**options)
        finally:
            self._in_poll = None
            self.claimant.asking.discard(self)
            self._flush_brpop_reauth()
        if self._command == "BLPOP":
            self._has_looked_in_vain = False
            raise Empty
        if found is None:
            raise Empty
        self._has_looked_in_vain = len(found.deliveries) < self._asked_for
        if self._has_looked_in_vain and self.claimant.parked_tasks is self._tasks:
            self.claimant.parked_tasks = ()
        self._wait_s = self._until(found.next_due_s)
        return self._deliver_all(found)

    def _read_claimed(self, **options: Any) -> Claimed | None:
        """Return what a claim brought, now held; None where it is none, or came too late."""
        reply = self._read_reply(**options)
        if reply is None or self._command == "BLPOP":
            return None
        if monotonic() - self._brpop_sent_at >= self.lease_s:
            # This process was frozen: the claims may be somebody else's. What is left of them
            # is found at the next renewals, and given back.
            logger.warning("A claim was answered after its lease had ended: it is not used.")
            return None
        self._known_slots = self._slots
        found = claimed(reply)
        self.claimant.hold(delivery.number for delivery in found.deliveries if delivery.number)
        return found

    def _read_reply(self, **options: Any) -> Any:
        """Return the reply to the last command; None when the server does not know the script."""
        connection = self.client.connection
        try:
            reply = self.client.parse_response(connection, self._command, **options)
        except NoScriptError:
            self._is_script_unknown = True
            return None
        except self.connection_errors:
            connection.disconnect()
            raise
        self._is_script_unknown = False
        return reply

    def _until(self, next_due_s: float | None) -> float:
        longest_s = float(self.brpop_timeout or 1)
        if next_due_s is None:
            return longest_s
        return max(min(longest_s, round(next_due_s + 0.001, 3)), _SHORTEST_WAIT_S)

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
                # There is more to be done than this.
                self.connection.cycle.wake()
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
        if delivery.is_redelivered and self.claimant.is_owing:
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
