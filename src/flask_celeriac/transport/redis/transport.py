"""The kombu transports, one for each kind of URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kombu.transport import redis as kombu_redis
from redis import SSLConnection

from .channel import Channel
from .poller import Poller
from .sentinels import SentinelChannel


class Transport(kombu_redis.Transport):
    """Redis on TCP or a socket; `driver_type` stays "redis", which Celery and Flower look for."""

    Channel: type[kombu_redis.Channel] = Channel

    implements = kombu_redis.Transport.implements.extend(batch_publish=False)
    supports_batch_publish = False

    #: Told the ids of delivered tasks that are cancelled, before they are delivered.
    on_cancelled: Callable[[set[str]], Any] = staticmethod(lambda _ids: None)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cycle = Poller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """As in kombu; from now on *loop* delivers as soon as there is room."""
        super().register_with_event_loop(connection, loop)
        cycle: Any = self.cycle
        cycle.serve(loop)


class TLSChannel(Channel):
    """Certificates are verified unless `broker_use_ssl` or the URL says otherwise."""

    connection_class = SSLConnection


class TLSTransport(Transport):
    """Redis on TLS."""

    Channel = TLSChannel


class SentinelTransport(Transport):
    """Redis behind Sentinel; of a failover list, each URL names one sentinel."""

    default_port = kombu_redis.SentinelTransport.default_port
    Channel = SentinelChannel
