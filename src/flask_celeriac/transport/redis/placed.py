"""Where a channel's messages are, and who this process is there."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from kombu.transport import redis as kombu_redis
from redis import ConnectionPool, Redis

from .claimant import Claimant
from .claimants import Kept, claimant_for
from .errors import heeding
from .layout import MOST_STARTS, TOKEN_S, Layout
from .lease import LEASE_S, RENEW_S, Lease
from .sizes import MOST_DECODED_BYTES
from .store import MessageStore

#: Without type: what we use of kombu's channel is partly private and in no stubs.
KombuChannel: Any = kombu_redis.Channel


class PlacedChannel(KombuChannel):  # type: ignore[misc]
    """A kombu channel that knows its keys, its message store and its claimant."""

    #: Seconds; transport options of the same names.
    lease_s = LEASE_S
    renew_s = RENEW_S
    #: Seconds of work that a worker takes ahead of its slots.
    work_in_hand_s = 0.0
    publish_token_s = TOKEN_S
    #: Starts that end with the end of their process, before a message is a dead letter.
    most_starts = MOST_STARTS

    #: Bytes of a message as it lies in Redis; 0: any number.
    max_message_bytes = 0
    #: Bytes of a body that was compressed; 0: any number.
    max_decoded_bytes = MOST_DECODED_BYTES

    from_transport_options = (
        *KombuChannel.from_transport_options,
        "lease_s",
        "renew_s",
        "work_in_hand_s",
        "publish_token_s",
        "most_starts",
        "max_message_bytes",
        "max_decoded_bytes",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._kept: Kept | None = None
        self._store: MessageStore | None = None
        super().__init__(*args, **kwargs)

    @cached_property
    def layout(self) -> Layout:
        """How the keys are named."""
        return Layout(
            prefix=self.global_keyprefix,
            separator=self.sep,
            steps=tuple(self.priority_steps),
            most_starts=self.most_starts,
        )

    @property
    def store(self) -> MessageStore:
        """The messages, through the pool of this channel."""
        pool = self.pool
        if self._store is None or self._store.client.connection_pool is not pool:
            # Not `self.Client`: that adds the key prefix to some arguments of some commands.
            self._store = MessageStore(Redis(connection_pool=pool), self.layout)
        return self._store

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

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        params: dict[str, Any] = super()._connparams(asynchronous)
        return {**params, "connection_class": heeding(params["connection_class"])}

    def _place(self) -> tuple[object, ...]:
        kwargs = self.pool.connection_kwargs
        names = ("host", "port", "path", "db")
        return (
            *(kwargs.get(name) for name in names),
            getattr(self, "master_name", None),
            *self.layout.fixed(),
        )

    def _pool_maker(self) -> Callable[[], ConnectionPool]:
        """Return what makes pools for this server, also when this channel is closed."""
        params = self._connparams()
        return lambda: ConnectionPool(**params)

    def _make_claimant(self) -> Claimant:
        # A claimant outlives its first channel, and a failover list may lead later ones elsewhere.
        make_pool = self._pool_maker()

        def connect(answer_s: float) -> Redis:
            pool = make_pool()
            pool.connection_kwargs.update(socket_timeout=answer_s, socket_connect_timeout=answer_s)
            return Redis(connection_pool=pool)

        lease = Lease(self.lease_s, self.renew_s)
        return Claimant(self.layout, connect, lease, ahead_s=float(self.work_in_hand_s))
