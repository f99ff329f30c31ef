"""Taking messages: a claim, and when it brings less than it might, a wait for the bell.

The poller calls `_brpop_start` when there is room for a message, and `_brpop_read` when the answer
is there. Both commands travel on one connection, so that nothing blocks the event loop.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from queue import Empty
from time import monotonic
from typing import Any

from redis.exceptions import NoScriptError

from . import scripts
from .claimant import MOST_OWED, Claimant
from .delivering import DeliveringChannel
from .line import send
from .replies import Claimed, claimed
from .waiting import NOT_WAITING, Waiting

_MOST_AT_ONCE = 100
_WITHOUT_PREFETCH = 1
_SHORTEST_WAIT_S = 0.01
_CLAIMS = ("EVALSHA", "EVAL")
_numbers = itertools.count()

logger = logging.getLogger(__name__)


class ConsumingChannel(DeliveringChannel):
    """A channel that writes down what it takes for its process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._keeps: dict[str, bool] = {}
        self._has_looked_in_vain = False
        # Of the channels of this process.
        self._number = next(_numbers)
        self._command = ""
        self._tasks: Sequence[str] = ()
        self._wait_s = _SHORTEST_WAIT_S
        self._is_script_unknown = False
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
        if self.known_claimant is not None:
            # Until it has looked again.
            self.known_claimant.wait_for(NOT_WAITING)

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

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not any(self._keeps[queue] for queue in queues):
            self._command = "BRPOP"
            super()._brpop_start(timeout)
            return
        claimant = self.claimant
        if claimant.is_leaving:
            return
        connection = self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        if self._has_looked_in_vain:
            self._command = "BLPOP"
            bells = [self.layout.bell_key(queue) for queue in queues]
            caller = self._waiting(claimant).caller
            send(connection, "BLPOP", self.layout.call_key(caller), *bells, self._wait_s)
        else:
            self._send_claim(connection, claimant, queues)

    def _send_claim(self, connection: Any, claimant: Claimant, queues: list[str]) -> None:
        self._slots = self._most_begun()
        hand = self._hand
        # What is in hand is for the free slots first.
        room = self._room() - len(hand)
        limit = min(max(room + hand.wanted(self.qos.prefetch_count), 1), _MOST_AT_ONCE)
        self._tasks = claimant.parked_tasks
        arguments = self.layout.claim_arguments(
            claimant.incarnation,
            self.lease_s,
            limit,
            min(max(room, 0), limit),
            claimant.last,
            {queue: self._keeps[queue] for queue in queues},
            self._tasks,
            is_idle=claimant.is_lasting and room > 0,
            slots=None if self._slots == self._known_slots else self._slots,
        )
        script = scripts.script("claim")
        self._command = "EVAL" if self._is_script_unknown else "EVALSHA"
        name = script.text if self._is_script_unknown else script.sha
        claimant.asking.add(self)
        claimant.wait_for(NOT_WAITING)
        send(connection, self._command, name, 1, *arguments)

    def _waiting(self, claimant: Claimant) -> Waiting:
        kept = tuple(queue for queue in self._consumed if self._keeps[queue])
        return Waiting(f"{claimant.incarnation}/{self._number}", kept)

    def _most_begun(self) -> int | None:
        """Return how many of the claims may have begun; None: all.

        Those that run, and those that have ended while that was not said yet.
        """
        slots: int = self.qos.prefetch_count
        return 2 * slots + MOST_OWED if slots and self._hand.ahead_s else None

    def _room(self) -> int:
        estimate = self.qos.can_consume_max_estimate()
        return _WITHOUT_PREFETCH if estimate is None else max(estimate, 0)

    def _brpop_read(self, **options: Any) -> bool:
        if self._command == "BRPOP":
            return bool(super()._brpop_read(**options))
        claimant = self.claimant
        try:
            found = self._read_claimed(claimant, **options)
        finally:
            self._in_poll = None
            claimant.asking.discard(self)
            self._flush_brpop_reauth()
        if self._command == "BLPOP":
            self._has_looked_in_vain = False
            if self.qos.can_consume():
                # At once: the loop has other things to do before it asks.
                self._brpop_start()
            raise Empty
        if found is None:
            raise Empty
        self._has_looked_in_vain = len(found.deliveries) < found.limit
        if self._has_looked_in_vain:
            if claimant.parked_tasks is self._tasks:
                claimant.parked_tasks = ()
            if claimant.is_lasting:
                claimant.wait_for(self._waiting(claimant))
        self._wait_s = self._until(found.next_due_s)
        return self._deliver_all(found)

    def _read_claimed(self, claimant: Claimant, **options: Any) -> Claimed | None:
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
        claimant.hold(delivery.number for delivery in found.deliveries if delivery.number)
        return found

    def _read_reply(self, **options: Any) -> Any:
        """Return the reply to the last command; None when the server does not know the script."""
        client = self.client
        connection = client.connection
        try:
            reply = client.parse_response(connection, self._command, **options)
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
