"""A kombu channel on Redis: publishes by a script, and takes messages as claims.

Overridden are the methods by which kombu's virtual transports are extended (`_put`, `_size`,
`_purge` ...) and, of kombu's Redis channel, what connects (`_connparams`) and the two that send and
read its blocking command (`_brpop_start`, `_brpop_read`). They use its `_get_pool`, `_expires` and
`_queue_cycle`. None of these has a public name; tests/transport/test_kombu.py pins how kombu calls
them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from kombu import Queue
from kombu.common import maybe_declare
from kombu.transport import virtual

from flask_celeriac.errors import Unroutable
from flask_celeriac.kombu_json import to_json

from .consuming import ConsumingChannel
from .line import Line
from .message import Message
from .messages import PUBLISH_TOKEN, Unreadable, delay_of, delay_until
from .qos import QoS
from .sizes import require_size
from .store import MessageStore

# Tokens that somebody chose, such as that of a chain's link: 24 hours.
_CHOSEN_TOKEN_S = 86400.0


class Channel(ConsumingChannel):
    """Publishes and consumes; what it takes is written down for its process."""

    QoS = QoS
    Message = Message
    supports_batch_publish = False
    _has_route = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._declared: dict[str, Queue] = {}
        self._line_store: MessageStore | None = None
        super().__init__(*args, **kwargs)
        self._steps = {priority: self._step(priority) for priority in (None, *range(10))}

    def basic_publish(
        self, message: dict[str, Any], exchange: str, routing_key: str, **kwargs: Any
    ) -> Any:
        """Publish a message; kombu may repeat that with the same properties without doubling it.

        A token in the properties was chosen by the caller, or left by a publish that failed.

        Raises:
            Unroutable: It is a task, and no queue is bound; nothing was sent.
            MessageTooLarge: Nothing was sent.
        """
        self._has_route = False
        properties = message["properties"]
        token = properties.pop(PUBLISH_TOKEN, None) or uuid4().hex
        try:
            answer = super().basic_publish(message, exchange, routing_key, token=token, **kwargs)
        except BaseException:
            properties[PUBLISH_TOKEN] = token
            raise
        if not self._has_route and "task" in message["headers"]:
            raise Unroutable(
                f"No queue is bound to the exchange {exchange!r} for {routing_key!r}. "
                "Nothing was sent: declare the queue, by starting its worker."
            )
        return answer

    def _put(self, queue: str, message: dict[str, Any], token: str = "", **_: Any) -> None:
        self._has_route = True
        body = to_json(message).encode()
        require_size((body,), self.max_message_bytes)
        self.store.publish(
            queue,
            body,
            step=self._step(message["properties"].get("priority")),
            delay_s=delay_of(message),
            token=f"{token}:{queue}" if token else "",
            token_s=_CHOSEN_TOKEN_S if ":" in token else self.publish_token_s,
        )
        self._let_expire(queue)

    def _step(self, priority: Any) -> int:
        """Return on which of kombu's steps messages of a *priority* are."""
        of_message = {"properties": {"priority": priority}}
        return int(self.priority(self._get_message_priority(of_message, reverse=False)))

    def _let_expire(self, queue: str) -> None:
        if queue in self._expires:
            with self.conn_or_acquire() as client:
                self._maybe_update_queues_expire(client, queue)

    def declare_once(self, queue: Queue) -> None:
        """Declare *queue*, as kombu's producers do before each message, once a channel."""
        if self._declared.get(queue.name) is not queue:
            maybe_declare(queue, self)
            self._declared[queue.name] = queue

    def body_encoder(self) -> Callable[[str], str]:
        """Return the function by which bodies are encoded for their way, of any channel."""
        encoding = self.body_encoding
        is_text = not encoding or encoding.lower() == "utf-8"
        encode: Callable[[str], str] = str if is_text else self.codecs[encoding].encode
        return encode

    def envelope(self, queue: str, *, body: str, delivery_tag: str, **parts: Any) -> dict[str, Any]:
        """Return a message for *queue* as `basic_publish` would put it there.

        Args:
            body: Encoded for its way already, by `body_encoder`.
            parts: As of `prepare_message`.
        """
        message: dict[str, Any] = self.prepare_message("", **parts)
        self._inplace_augment_message(message, "", queue)
        message["body"], message["properties"]["delivery_tag"] = body, delivery_tag
        return message

    def put_encoded(
        self, queue: str, bodies: Sequence[bytes], *, priority: int | None, eta: Any, token: str
    ) -> None:
        """Put envelopes that are encoded already into *queue*, all or none.

        Args:
            bodies: 1 to 1000.
            eta: Of all of them, as in the header.
            token: Names this publish: a repetition with the same one adds nothing.

        Raises:
            MessageTooLarge: Nothing was put.
        """
        require_size(bodies, self.max_message_bytes)
        self._publisher.publish_many(
            queue,
            bodies,
            step=self._steps[priority] if priority in self._steps else self._step(priority),
            delay_s=delay_until(eta),
            token=f"{token}:{queue}",
            token_s=self.publish_token_s,
        )
        self._let_expire(queue)

    @property
    def _publisher(self) -> MessageStore:
        """The messages, through a connection that nobody else uses meanwhile."""
        store = self.store
        if self._line_store is None or self._line_store.client is not store.client:
            self._line_store = MessageStore(store.client, self.layout, Line(store.client))
        return self._line_store

    def _put_fanout(
        self, exchange: str, message: dict[str, Any], routing_key: str, **kwargs: Any
    ) -> None:
        self._has_route = True
        kwargs.pop("token", None)
        super()._put_fanout(exchange, message, routing_key, **kwargs)

    def park(self, delivery_tag: str, task: str) -> None:
        """Keep a delivered message until a worker knows *task*."""
        if number := self._given_up(delivery_tag):
            claimant = self.claimant
            claimant.move(number, lambda store: store.park(claimant.incarnation, number, task))

    def crash(self, delivery_tag: str) -> None:
        """Say that the process that ran a delivered message has ended."""
        if number := self._given_up(delivery_tag):
            claimant = self.claimant
            claimant.move(number, lambda store: store.crash(claimant.incarnation, number))

    def discard_delivery(self, delivery_tag: str, reason: str) -> None:
        """Make a delivered message a dead letter."""
        if number := self._given_up(delivery_tag):
            self.bury(number, reason)

    def _given_up(self, delivery_tag: str) -> int:
        """Return the number of a claim that is no longer this channel's; 0 when it has none."""
        number = self.qos.number(delivery_tag)
        self.qos.release(delivery_tag)
        if number is None:
            return 0
        self.claimant.drop(number)
        return int(number)

    def basic_get(self, queue: str, no_ack: bool = False, **_: Any) -> Any:
        """Take one message directly; None when there is none."""
        if self.known_claimant is not None and self.known_claimant.has_left:
            self._kept = None  # a worker in this process has ended, and others go on
        found = self.store.claim(
            "-" if no_ack else self.claimant.incarnation,
            {queue: not no_ack},
            1,
            lease_s=self.lease_s,
            last=0 if no_ack else self.claimant.last,
        )
        if not found.deliveries:
            return None
        delivery = found.deliveries[0]
        if delivery.number:
            self.claimant.hold([delivery.number])
        message = self._message(delivery)
        if message is None:
            return self.basic_get(queue, no_ack)
        try:
            taken = self.Message(message, channel=self)
        except Unreadable as error:
            self.bury(delivery.number, f"unreadable: {error}")
            return self.basic_get(queue, no_ack)
        if not no_ack:
            self.qos.append(taken, taken.delivery_tag)
        return taken

    def _size(self, queue: str) -> int:
        return self.store.size(queue)

    def _has_queue(self, queue: str, **_: Any) -> bool:
        # One command, where kombu sends six: every worker asks this every few seconds.
        return self.store.has_ready(queue)

    def _purge(self, queue: str) -> int:
        return self.store.purge(queue)

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        self.store.purge(queue)
        super()._delete(queue, *args, **kwargs)

    def close(self) -> None:
        """Close; a reply that is on its way is left, since its messages are written down."""
        if self._command != "BRPOP":
            self._in_poll = None
        if self.known_claimant is not None:
            self.known_claimant.asking.discard(self)
        super().close()

    def _restore(self, message: virtual.Message, leftmost: bool = False) -> None:  # noqa: ARG002
        self.qos.reject(message.delivery_tag, requeue=True)
