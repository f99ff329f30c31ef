"""What reading a configuration gives: frozen, and safe to print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .masking import mask_url
from .urls import family_of

Process = Literal["all", "sender", "worker"]


class CelerySettingWarning(UserWarning):
    """The configuration holds a Celery key that nobody here knows."""


@dataclass(frozen=True, slots=True)
class Default:
    """One setting ("name" or "name.option"), its safe value, why, and in which processes."""

    key: str
    value: Any
    reason: str
    process: Process = "all"


@dataclass(frozen=True, slots=True)
class Applied:
    """One safe default that was considered.

    Attributes:
        key: Celery's name; "broker_transport_options.socket_timeout" for one option inside another.
        value: What holds now: the default, or the user's own value.
        reason: One sentence for people: why the default is what it is.
        is_default: False when the user set the key; the value is then the user's.
        process: Where it holds: "all", "sender" (every process but workers and beat), "worker"
            (workers and beat).
    """

    key: str
    value: Any
    reason: str
    is_default: bool
    process: Process = "all"


class ReadOnlySettings(Mapping[str, Any]):
    """Celery's settings by new lower-case name; read-only, and `repr` shows names alone."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<settings: {', '.join(sorted(self._values))}>"


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """One app's configuration, read once.

    Attributes:
        celery: Celery's own configuration for a process that sends tasks (web, shell): the user's
            keys and the safe profile, ready for `celery.conf.update`. Every wait in it is bounded.
        worker: What a worker or beat changes on top of `celery`: they wait longer and reconnect for
            ever. For `celery.conf.update` before the worker or beat connects.
        profile: Every safe default considered, in the order in which `doctor` prints them.
        is_production: Not debug, not testing, not started by `flask celery up`.
        is_embedded: The broker is the embedded server.
        broker_url: Where messages are sent, as written; failover lists as "a;b". None when no
            broker is configured and no embedded server runs.
        result_backend: Where results are kept; None when there are none.
        transport: `CELERIAC_TRANSPORT`: "celeriac", or "kombu" for Celery's own transport and
            result backend on Redis too.
        task_packages: `CELERIAC_TASK_PACKAGES`, names of packages.
        extra_keys: `CELERIAC_EXTRA_KEYS`, as the user wrote them.
        request_id_header: `CELERIAC_REQUEST_ID_HEADER`.
        result_timeout_s: `CELERIAC_RESULT_TIMEOUT`, seconds, above 0: the deadline of `.get()`
            without a timeout inside a request.
        state_dir: `CELERIAC_STATE_DIR`: folder of the small state files of worker and beat.
        require_durable: `CELERIAC_REQUIRE_DURABLE`.
        progress_interval_s: `CELERIAC_PROGRESS_INTERVAL`, seconds, above 0: the shortest time
            between two that are told.
        queue_limits: `CELERIAC_QUEUE_LIMITS`: how many messages may wait in a queue for which
            tasks are taken by HTTP; "*" for all others.
        max_wait_s: `CELERIAC_MAX_WAIT`, seconds, above 0: the longest a request may wait by HTTP.
        max_body_bytes: `CELERIAC_MAX_BODY`: of a request with arguments.
        max_streams: `CELERIAC_MAX_STREAMS`: streams of events that are open in one process.
    """

    celery: Mapping[str, Any]
    worker: Mapping[str, Any]
    profile: tuple[Applied, ...]
    is_production: bool
    is_embedded: bool
    broker_url: str | None
    result_backend: str | None
    transport: str = "celeriac"
    task_packages: tuple[str, ...] = ()
    extra_keys: frozenset[str] = frozenset()
    request_id_header: str = "X-Request-ID"
    result_timeout_s: float = 30.0
    state_dir: str | None = None
    require_durable: bool = False
    progress_interval_s: float = 0.1
    queue_limits: Mapping[str, int] = field(default_factory=dict)
    max_wait_s: float = 20.0
    max_body_bytes: int = 262_144
    max_streams: int = 16

    #: Whether messages travel by our Redis transport; the embedded server's do.
    is_carried_by_us: bool = field(init=False)

    def __post_init__(self) -> None:
        is_redis = family_of(self.broker_url or "redis://") == "redis"
        # Asked for each message that is sent.
        object.__setattr__(self, "is_carried_by_us", self.transport == "celeriac" and is_redis)

    @property
    def is_kept_by_us(self) -> bool:
        """Whether results are kept by our Redis backend; on the embedded server they are."""
        is_redis = family_of(self.result_backend or "redis://") == "redis"
        return self.transport == "celeriac" and is_redis

    def __repr__(self) -> str:
        """Show where work goes, without passwords; never the values of Celery's settings."""
        broker, results = mask_url(self.broker_url), mask_url(self.result_backend)
        return (
            f"<Settings broker={broker!r} results={results!r}"
            f" is_production={self.is_production} is_embedded={self.is_embedded}"
            f" {len(self.celery)} Celery settings>"
        )
