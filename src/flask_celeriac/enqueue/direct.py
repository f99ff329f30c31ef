"""Messages put straight into our Redis transport, past Celery's router and kombu's producer.

Most tasks need none of what these can do, and pay more for it than for the message. `ways` decides.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from kombu.entity import maybe_delivery_mode

from flask_celeriac.kombu_json import is_stock
from flask_celeriac.transport.ensured import ensured
from flask_celeriac.transport.redis.channel import Channel

from . import encoding
from .template import OUR_HEADER, Template, gap
from .ways import Way, Ways


class DirectSender:
    """Sends tasks of one Celery app.

    Args:
        celery: Its broker is reached by our transport.
    """

    def __init__(self, celery: Any) -> None:
        conf = celery.conf
        self.celery, self.ways = celery, Ways(celery)
        self.levels = conf.task_repr_maxlevels
        self.body_of = encoding.stock_body_of if is_stock() else encoding.body_of
        self.most_bytes = int((conf.broker_transport_options or {}).get("max_message_bytes", 0))
        self._wait_s = conf.broker_pool_acquire_timeout
        self._is_repeated = bool(conf.task_publish_retry)
        self._policy = dict(conf.task_publish_retry_policy)
        self._delivery_mode = conf.task_default_delivery_mode

    def publish(
        self,
        way: Way,
        messages: Sequence[bytes],
        *,
        eta: str | None,
        token: str,
        producer: Any = None,
    ) -> None:
        """Publish messages, all or none, and again as Celery's retry policy says.

        Args:
            messages: 1 to 1000.
            eta: Of all of them, as in the header.
            token: Names this publish, so that a repetition adds nothing.
            producer: Of kombu, whose connection is used in place of one of Celery's pool.

        Raises:
            kombu.exceptions.OperationalError: They may or may not have arrived.
            MessageTooLarge: Nothing was sent.
        """

        def put(channel: Channel) -> None:
            channel.declare_once(way.queue)
            channel.put_encoded(
                way.queue.name, messages, priority=way.priority, eta=eta, token=token
            )

        self._act(put, producer)

    def template(self, task: Any, way: Way, *, has_header: bool) -> Template:
        """Return a message of *task* with gaps; connects when there is none yet.

        Raises:
            kombu.exceptions.OperationalError: The broker can not be reached.
        """
        # The name of this process is in it.
        key = (has_header, os.getpid())
        known = way.templates.get(key)
        if known is None:
            made: list[Template] = []
            self._act(lambda channel: made.append(self._make(task, way, channel, has_header)))
            known = way.templates[key] = made[-1]
        return known

    def _act(self, act: Callable[[Channel], None], producer: Any = None) -> None:
        """Give *act* a channel, and again when the connection is lost."""
        if producer is not None:
            self._act_on(producer.connection, act, producer)
            return
        with self.celery.pool.acquire(block=True, timeout=self._wait_s) as connection:
            self._act_on(connection, act)

    def _act_on(
        self, connection: Any, act: Callable[[Channel], None], producer: Any = None
    ) -> None:
        policy: dict[str, Any] = {"max_retries": 0}
        if self._is_repeated:
            policy = self._policy
            # kombu's producer does so: connecting, too, ends by this policy.
            connection.transport_options.update(policy)
            if policy.get("max_retries") and connection.connected:
                try:
                    # Most need no more than that, and `ensure` is not for nothing.
                    act(connection.default_channel)
                    return
                except connection.recoverable_connection_errors:
                    connection.maybe_switch_next()
                    connection.collect()
                policy = {**policy, "max_retries": policy["max_retries"] - 1}
        ensured(connection, lambda: act(connection.default_channel), policy, producer)

    def _make(self, task: Any, way: Way, channel: Channel, has_header: bool) -> Template:
        time_limit, soft_time_limit = way.limits_s
        headers, properties, _, _ = self.ways.amqp.create_task_message(
            gap("id"),
            task.name,
            eta=gap("eta"),
            group_id=gap("group"),
            group_index=gap("group_index"),
            reply_to=gap("reply_to"),
            time_limit=time_limit,
            soft_time_limit=soft_time_limit,
            root_id=gap("root"),
            parent_id=gap("parent"),
            argsrepr=gap("args"),
            kwargsrepr=gap("kwargs"),
            ignore_result=way.ignore_result,
        )
        if has_header:
            headers[OUR_HEADER] = gap("header")
        mode = way.queue.exchange.delivery_mode or self._delivery_mode
        properties["delivery_mode"] = maybe_delivery_mode(mode)
        message = channel.envelope(
            way.queue.name,
            priority=way.priority,
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers,
            properties=properties,
            body=gap("body"),
            delivery_tag=gap("tag"),
        )
        return Template(message, channel.body_encoder())
