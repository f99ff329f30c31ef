"""Redis behind Sentinel: which Sentinels are asked, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from kombu.transport import redis as kombu_redis
from kombu.utils.url import url_to_parts
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from .channel import Channel
from .urls import stock

#: Without type: redis-py has none for it.
_Sentinel: Any = Sentinel
_LIMITS = ("socket_timeout", "socket_connect_timeout")


class SentinelChannel(Channel, kombu_redis.SentinelChannel):  # type: ignore[misc]
    """The master that Sentinel names; needs the transport option `master_name`."""

    from_transport_options = tuple(
        dict.fromkeys(
            (*Channel.from_transport_options, *kombu_redis.SentinelChannel.from_transport_options)
        )
    )
    connection_class = kombu_redis.SentinelChannel.connection_class
    min_other_sentinels = 0
    sentinel_kwargs: Mapping[str, Any] | None = None
    master_name: str | None = None

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> ConnectionPool:
        """As in kombu, which takes no URL of ours for that of a Sentinel, and asks one alone."""
        manager = self._manager(asynchronous)
        # kombu closes what these names hold.
        if asynchronous:
            self._async_sentinel_manager = manager
        else:
            self._sentinel_manager = manager
        pool: ConnectionPool = manager.master_for(self.master_name, Redis).connection_pool
        return pool

    def _pool_maker(self) -> Callable[[], ConnectionPool]:
        manager, name = self._manager(), self.master_name
        return lambda: cast(ConnectionPool, manager.master_for(name, Redis).connection_pool)

    def _manager(self, asynchronous: bool = False) -> Any:
        if self.master_name is None:
            raise ValueError("'master_name' transport option must be specified.")
        params: dict[str, Any] = self._connparams(asynchronous)
        return _Sentinel(
            self._sentinels(),
            min_other_sentinels=self.min_other_sentinels,
            sentinel_kwargs=asking_options(self.sentinel_kwargs, params),
            **{name: value for name, value in params.items() if name not in ("host", "port")},
        )

    def _sentinels(self) -> list[tuple[str, int]]:
        """Return host and port of each Sentinel that the URL names."""
        client: Any = self.connection.client
        default_port = self.connection.default_port or 26379
        parts = [url_to_parts(stock(url)) for url in client.alt]
        named = [part for part in parts if part.scheme == "sentinel"]
        if not named:
            return [(client.hostname or "127.0.0.1", client.port or default_port)]
        return [(part.hostname or "127.0.0.1", part.port or default_port) for part in named]

    def _place(self) -> tuple[object, ...]:
        # Many primaries have the same name, such as mymaster.
        return (frozenset(self._sentinels()), *super()._place())


def asking_options(given: Mapping[str, Any] | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return how Sentinels are connected to: as *given*, but a dead one does not hold up long.

    Args:
        given: The transport option `sentinel_kwargs`.
        params: Of connections to the primary; their time limits count where *given* has none.
    """
    limits = {name: params[name] for name in _LIMITS if params.get(name) is not None}
    # redis-py tries a dead one for seconds, where the next one is the remedy.
    return {"retry": Retry(NoBackoff(), 0), **limits, **(given or {})}
