"""Taking messages: a claim, and when it brings less than asked, a wait for the bell.

The poller calls `_brpop_start` when there is room for a message, and `_brpop_read` when the answer
is there. Both commands travel on one connection, so that nothing blocks the event loop.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from queue import Empty
from time import monotonic
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from . import scripts
from .messages import ORIGIN, Unreadable, decoded, delay_of, task_id_of
from .placed import PlacedChannel
from .replies import Claimed, Delivery, claimed

_MOST_AT_ONCE = 100
_WITHOUT_PREFETCH = 1
_SHORTEST_WAIT_S = 0.01
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
        super().__init__(*args, **kwargs)

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, **kwargs: Any
    ) -> Any:
        """Consume from *queue*; without acknowledgement nothing is written down."""
        self._keeps[queue] = not no_ack
        self._has_looked_in_vain = False
        return super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)

    @property
    def is_claiming(self) -> bool:
        """Whether the reply to a claim is to come."""
        return bool(self._in_poll) and self._command in _CLAIMS

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
        self._asked_for = self._room()
        self._tasks = self.claimant.parked_tasks
        arguments = self.layout.claim_arguments(
            self.claimant.incarnation,
            self.lease_s,
            self._asked_for,
            self.claimant.last,
            queues,
            self._tasks,
        )
        script = scripts.script("claim")
        self._command = "EVAL" if self._is_script_unknown else "EVALSHA"
        name = script.text if self._is_script_unknown else script.sha
        self.claimant.asking.add(self)
        self.client.connection.send_command(self._command, name, 1, *arguments)

    def _room(self) -> int:
        estimate = self.qos.can_consume_max_estimate()
        return _WITHOUT_PREFETCH if estimate is None else min(max(estimate, 1), _MOST_AT_ONCE)

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
        waiting = self._with_room(found.deliveries)
        messages = [(delivery, self._message(delivery)) for delivery in waiting]
        if found.cancellations:
            self._note_cancelled(found.cancellations, [message for _, message in messages])
        try:
            while messages:
                delivery, message = messages.pop(0)
                if message is None:
                    continue
                if self._is_unwanted(delivery):
                    self._return_undelivered([delivery.number])
                    continue
                self._deliver(delivery, message)
        except BaseException:
            self._return_undelivered([d.number for d, message in messages if message and d.number])
            raise
        return bool(waiting)

    def _is_unwanted(self, delivery: Delivery) -> bool:
        """A solo worker runs what is delivered before it: minutes may have passed, or a freeze, or
        a signal to end may have come.
        """
        claimant = self.claimant
        if not delivery.number or not claimant.is_lasting:
            return False
        return claimant.is_leaving or not claimant.has(delivery.number)

    def _with_room(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Return those that may be delivered, and give back the rest.

        There is less room than was asked for when the prefetch count has sunk meanwhile, as it
        does when a task with an ETA has started.
        """
        room = self.qos.can_consume_max_estimate()
        if room is None or len(deliveries) <= room:
            return list(deliveries)
        beyond = [delivery.number for delivery in deliveries[room:] if delivery.number]
        if beyond:
            self._return_undelivered(beyond)
        return [d for i, d in enumerate(deliveries) if i < room or not d.number]

    def _deliver(self, delivery: Delivery, message: dict[str, Any]) -> None:
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

    def _note_cancelled(self, count: int, messages: list[dict[str, Any] | None]) -> None:
        """Say which of the messages are of cancelled tasks; all of these are known here."""
        if count != self._cancellations:
            self._cancelled, self._cancellations = self.store.cancelled(), count
        ids = {task_id_of(message) for message in messages if message}
        if cancelled := ids & self._cancelled:
            self.connection.on_cancelled(cancelled)

    def _return_undelivered(self, numbers: list[int]) -> None:
        try:
            self.claimant.give_back(numbers, is_next=True)
        except (RedisError, OSError):
            logger.warning("%d messages are given back when the lease has ended.", len(numbers))

    def bury(self, number: int, reason: str) -> None:
        """Make a claimed message a dead letter; its waiters are told by a worker."""
        if number:
            claimant = self.claimant
            claimant.move(number, lambda store: store.reject(claimant.incarnation, number, reason))
        logger.error("A message is a dead letter now (%s): %s", number, reason)
