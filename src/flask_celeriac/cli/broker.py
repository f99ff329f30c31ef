"""The broker as the commands see it: reached within seconds, or a clear line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from flask_celeriac.health.broker import ask, parse
from flask_celeriac.transport.probe import bounded_connection
from flask_celeriac.transport.redis import urls

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection


class BrokerUnreachable(click.ClickException):
    """The broker does not answer."""


@contextmanager
def reached(celery: Celery) -> Iterator[Connection]:
    """Connect to the broker of *celery*, for as long as the block lasts.

    Raises:
        BrokerUnreachable: After some 2 s for each server of the URL; nothing was sent. Or the
            server refused what the block asked.
        click.ClickException: No broker is configured.
    """
    from flask_celeriac.errors import BrokerMissing

    try:
        connection: Any = bounded_connection(celery)
    except BrokerMissing as error:
        raise click.ClickException(str(error)) from None
    try:
        try:
            _knock(celery)
            connection.connect()
        except (*connection.connection_errors, OSError) as error:
            raise BrokerUnreachable(
                f"The broker {masked(celery)} can not be used: {_first_line(error)}"
            ) from None
        try:
            yield connection
        except connection.channel_errors as error:
            raise BrokerUnreachable(
                f"The broker {masked(celery)} refused: {_first_line(error)}"
            ) from None
    finally:
        with suppress(Exception):
            connection.release()


def _knock(celery: Celery) -> None:
    """Ask once over a plain socket: a client library tries a silent server again and again."""
    if celery.conf.broker_use_ssl:
        return
    try:
        verdict = ask(parse(_url(celery)))
    except ValueError:
        return  # a kind of broker that only its library can ask
    if not verdict.is_healthy:
        raise BrokerUnreachable(f"The {verdict.text}.")


def _url(celery: Celery) -> str:
    url = celery.conf.broker_read_url or celery.conf.broker_url
    return urls.stock(url if isinstance(url, str) else ";".join(url or ["amqp://"]))


def masked(celery: Celery) -> str:
    """Return the broker URL, or several, without passwords."""
    from flask_celeriac.settings import mask_url

    return str(mask_url(_url(celery)))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True, slots=True)
class Server:
    """What a reached broker says of itself.

    Attributes:
        kind: "redis", "amqp" or another of kombu's driver types.
        name: "Redis", "Valkey", "RabbitMQ" or the driver type.
        version: As the server says it, "" if it does not.
        info: What `INFO` says, for Redis; else empty.
    """

    kind: str
    name: str
    version: str
    info: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


def server_of(connection: Connection) -> Server:
    """Ask the server for its name and version; what it hides stays empty."""
    kind = str(connection.transport.driver_type)
    if kind == "redis":
        info = _redis_info(connection)
        is_valkey = "valkey_version" in info
        version = str(info.get("valkey_version" if is_valkey else "redis_version", ""))
        return Server(kind, "Valkey" if is_valkey else "Redis", version, info)
    properties = getattr(connection.connection, "server_properties", None) or {}
    product = str(properties.get("product", kind))
    return Server(kind, product, str(properties.get("version", "")))


def _redis_info(connection: Connection) -> dict[str, Any]:
    channel: Any = connection.default_channel
    client = channel.client
    try:
        info: dict[str, Any] = client.info("everything")
    except connection.channel_errors:
        return {}  # managed servers may forbid INFO
    return info
