"""A kombu channel on Redis: publishes by a script, and takes messages as claims.

Overridden are the methods by which kombu's virtual transports are extended (`_put`, `_get`, `_size`,
`_purge`) and, of kombu's Redis channel, the two that send and read its blocking command
(`_brpop_start`, `_brpop_read`) and the two that make its pools and name them (`_get_pool`,
`_connparams`). These have no public name; tests/transport/test_kombu.py pins how kombu calls them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from queue import Empty
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from kombu.utils.json import dumps
from redis import ConnectionPool, Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from . import scripts
from .claimant import LEASE_S, RENEW_S, Claimant, Lease
from .claimants import Kept, claimant_for
from .errors import is_lost_connection
from .messages import decoded, delay_of, task_id_of
from .qos import QoS
from .store import MOST_STARTS, TOKEN_S, Claimed, Delivery, Layout, MessageStore, claimed

#: In the properties of a message whose publish ended in doubt; never on the wire.
_TOKEN = "celeriac_publish_token"
_MOST_AT_ONCE = 100
_WITHOUT_PREFETCH = 1
_SHORTEST_WAIT_S = 0.01
# What a stock producer sends with an ETA so near is left to the worker's timer.
_NEAR_S = 1.0

logger = logging.getLogger(__name__)


class Channel(kombu_redis.Channel):  # type: ignore[misc]
    """Publishes and consumes; what it takes is written down for its process."""

    QoS = QoS

    #: Seconds; transport options of the same names.
    lease_s = LEASE_S
    renew_s = RENEW_S
    publish_token_s = TOKEN_S
    #: Starts that end with the end of their process, before a message is a dead letter.
    most_starts = MOST_STARTS

    from_transport_options = (
        *kombu_redis.Channel.from_transport_options,
        "lease_s",
        "renew_s",
        "publish_token_s",
        "most_starts",
    )
    supports_batch_publish = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._kept: Kept | None = None
        self._keeps: dict[str, bool] = {}
        self._has_looked_in_vain = False
        self._asked_for = 0
        self._command = ""
        self._wait_s = _SHORTEST_WAIT_S
        self._is_script_unknown = False
        super().__init__(*args, **kwargs)

    # Who we are, and where the messages are.

    @cached_property
    def layout(self) -> Layout:
        """How the keys are named."""
        return Layout(
            prefix=self.global_keyprefix,
            separator=self.sep,
            steps=tuple(self.priority_steps),
            most_starts=self.most_starts,
            token_s=self.publish_token_s,
        )

    @property
    def store(self) -> MessageStore:
        """The messages, through the pool of this channel."""
        # Not `self.Client`: that adds the key prefix to some arguments of some commands.
        return MessageStore(Redis(connection_pool=self.pool), self.layout)

    @property
    def kept(self) -> Kept:
        """This process's claimant at this server, and the thread that looks after it."""
        if self._kept is None or not self._kept.claimant.is_of_this_process:
            self._kept = claimant_for(self._place(), self._make_claimant)
        return self._kept

    @property
    def claimant(self) -> Claimant:
        """This process, as one that has claims."""
        return self.kept.claimant

    @property
    def known_claimant(self) -> Claimant | None:
        """The claimant, if this channel ever took a message."""
        return self._kept.claimant if self._kept else None

    def _place(self) -> tuple[object, ...]:
        kwargs = self.pool.connection_kwargs
        names = ("host", "port", "path", "db")
        return (*(kwargs.get(name) for name in names), getattr(self, "master_name", None), *self.layout.fixed())

    def _make_claimant(self) -> Claimant:
        def connect(answer_s: float) -> Redis:
            pool: ConnectionPool = self._get_pool()
            pool.connection_kwargs.update(socket_timeout=answer_s, socket_connect_timeout=answer_s)
            return Redis(connection_pool=pool)

        return Claimant(self.layout, connect, Lease(self.lease_s, self.renew_s))

    # Publishing.

    def basic_publish(
        self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> Any:
        """Publish a message; kombu may repeat that with the same properties without doubling it."""
        properties = message["properties"]
        token = properties.pop(_TOKEN, None) or uuid4().hex
        try:
            return super().basic_publish(message, exchange, routing_key, token=token, **kwargs)
        except BaseException:
            properties[_TOKEN] = token
            raise

    def _put(self, queue: str, message: dict[str, Any], token: str = "", **_: Any) -> None:
        self.store.publish(
            queue,
            dumps(message).encode(),
            step=self.priority(self._get_message_priority(message, reverse=False)),
            delay_s=delay_of(message),
            token=f"{token}:{queue}" if token else "",
        )
        if queue in self._expires:
            with self.conn_or_acquire() as client:
                self._maybe_update_queues_expire(client, queue)

    def _put_fanout(
        self, exchange: str, message: dict[str, Any], routing_key: str, **kwargs: Any
    ) -> None:
        kwargs.pop("token", None)
        super()._put_fanout(exchange, message, routing_key, **kwargs)

    # Consuming, by the poller: a claim that brings less than asked is followed by a wait.

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Any, consumer_tag: str, **kwargs: Any
    ) -> Any:
        """Consume from *queue*; without acknowledgement nothing is written down."""
        self._keeps[queue] = not no_ack
        self._has_looked_in_vain = False
        return super().basic_consume(queue, no_ack, callback, consumer_tag, **kwargs)

    def _brpop_start(self, timeout: float | None = None) -> None:
        queues = self._queue_cycle.consume(len(self.active_queues))
        if not any(self._keeps[queue] for queue in queues):
            self._command = "BRPOP"
            super()._brpop_start(timeout)
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
        arguments = self.layout.claim_arguments(
            self.claimant.incarnation, self.lease_s, self._asked_for, queues
        )
        script = scripts.script("claim")
        self._command = "EVAL" if self._is_script_unknown else "EVALSHA"
        name = script.text if self._is_script_unknown else script.sha
        self.client.connection.send_command(self._command, name, 1, *arguments)

    def _room(self) -> int:
        estimate = self.qos.can_consume_max_estimate()
        return _WITHOUT_PREFETCH if estimate is None else min(max(estimate, 1), _MOST_AT_ONCE)

    def _brpop_read(self, **options: Any) -> bool:
        if self._command == "BRPOP":
            return bool(super()._brpop_read(**options))
        try:
            reply = self._read_reply(**options)
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()
        if self._command == "BLPOP":
            self._has_looked_in_vain = False
            raise Empty
        if reply is None:
            raise Empty
        found = claimed(reply)
        self._has_looked_in_vain = len(found.deliveries) < self._asked_for
        self._wait_s = self._until(found.next_due_s)
        return self._deliver_all(found)

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
        except ResponseError as error:
            if is_lost_connection(error):
                connection.disconnect()
                raise ConnectionError(str(error)) from error
            raise
        self._is_script_unknown = False
        return reply

    def _until(self, next_due_s: float | None) -> float:
        longest_s = float(self.brpop_timeout or 1)
        if next_due_s is None:
            return longest_s
        return max(min(longest_s, round(next_due_s + 0.001, 3)), _SHORTEST_WAIT_S)

    def _deliver_all(self, found: Claimed) -> bool:
        waiting = list(found.deliveries)
        self.claimant.hold(delivery.number for delivery in waiting if delivery.number)
        messages = [(delivery, self._message(delivery)) for delivery in waiting]
        if found.has_cancelled:
            self._note_cancelled([message for _, message in messages if message])
        try:
            while messages:
                delivery, message = messages.pop(0)
                if message is not None:
                    self.connection._deliver(message, delivery.queue)
        except BaseException:
            self._return_undelivered([d.number for d, message in messages if message and d.number])
            raise
        return bool(waiting)

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
            message["properties"]["delivery_tag"] = self.claimant.tag(delivery.number)
        if delivery.attempts:
            message["properties"]["delivery_info"]["redelivered"] = True
        return message

    def _note_cancelled(self, messages: list[dict[str, Any]]) -> None:
        ids = [id_ for id_ in map(task_id_of, messages) if id_]
        if ids and (cancelled := self.store.cancelled(ids)):
            self.connection.on_cancelled(cancelled)

    def _return_undelivered(self, numbers: list[int]) -> None:
        try:
            self.claimant.give_back(numbers, is_next=True)
        except (RedisError, OSError):
            logger.warning("%d messages are given back when the lease has ended.", len(numbers))

    def bury(self, number: int, reason: str) -> None:
        """Make a claimed message a dead letter; its waiters are told by a worker.

        Raises:
            redis.exceptions.RedisError: It may still be claimed; safe to repeat.
        """
        if number:
            self.store.reject(self.claimant.incarnation, number, reason)
            self.claimant.drop(number)
        logger.error("A message is a dead letter now (%s): %s", number, reason)

    # What becomes of a delivery besides ack and reject.

    def park(self, delivery_tag: str, task: str) -> None:
        """Keep a delivered message until a worker knows *task*."""
        if number := self._given_up(delivery_tag):
            self.store.park(self.claimant.incarnation, number, task)

    def crash(self, delivery_tag: str) -> None:
        """Say that the process that ran a delivered message has ended."""
        if number := self._given_up(delivery_tag):
            self.store.crash(self.claimant.incarnation, number)

    def discard_delivery(self, delivery_tag: str, reason: str) -> None:
        """Make a delivered message a dead letter."""
        if number := self._given_up(delivery_tag):
            self.bury(number, reason)

    def _given_up(self, delivery_tag: str) -> int:
        """Return the number of a claim that is no longer this channel's; 0 when it has none."""
        number = self.qos.number(delivery_tag)
        virtual.QoS.ack(self.qos, delivery_tag)
        if number is None:
            return 0
        self.claimant.drop(number)
        return int(number)

    # The rest of what a virtual channel can do.

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> Any:
        """Take one message directly; None when there is none."""
        found = self.store.claim(
            "-" if no_ack else self.claimant.incarnation,
            {queue: not no_ack},
            1,
            lease_s=self.lease_s,
        )
        if not found.deliveries:
            return None
        delivery = found.deliveries[0]
        if delivery.number:
            self.claimant.hold([delivery.number])
        message = self._message(delivery)
        if message is None:
            return self.basic_get(queue, no_ack)
        taken = self.Message(message, channel=self)
        if not no_ack:
            self.qos.append(taken, taken.delivery_tag)
        return taken

    def _purge(self, queue: str) -> int:
        return self.store.purge(queue)

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        self.store.purge(queue)
        super()._delete(queue, *args, **kwargs)

    def close(self) -> None:
        """Close; a reply that is on its way is left, since its messages are written down."""
        if self._command != "BRPOP":
            self._in_poll = None
        super().close()

    def _restore(self, message: virtual.Message, leftmost: bool = False) -> None:
        self.qos.reject(message.delivery_tag, requeue=True)
