"""Which Sentinels are asked, and who this process is behind them; no server is needed."""

from __future__ import annotations

from typing import Any

import pytest
from kombu import Connection

from flask_celeriac.transport.redis import urls
from flask_celeriac.transport.redis.sentinels import SentinelChannel, asking_options

A, B, C = "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"


def channel_on(*addresses: str, **options: Any) -> Any:
    """A channel that has connected to nothing."""
    urls.register()
    url = urls.ours(";".join(f"sentinel://:pw@{address}/0" for address in addresses))
    options = {"master_name": "shop", "socket_timeout": 1.5, **options}
    transport = Connection(url, transport_options=options).transport
    channel = SentinelChannel.__new__(SentinelChannel)
    channel.connection = transport
    for name, value in options.items():
        setattr(channel, name, value)
    channel._closing = False
    return channel


def asked(channel: Any) -> list[tuple[str, int]]:
    manager = channel._get_pool().sentinel_manager
    kwargs = [each.connection_pool.connection_kwargs for each in manager.sentinels]
    return [(each["host"], each["port"]) for each in kwargs]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([A, B, C], [1, 2, 3]),
        ([A], [1]),
        (["127.0.0.1"], [26379]),
    ],
)
def test_every_sentinel_of_the_url_is_asked(addresses: list[str], expected: list[int]) -> None:
    assert asked(channel_on(*addresses)) == [("127.0.0.1", port) for port in expected]


def test_a_dead_sentinel_is_tried_once_and_not_for_long() -> None:
    channel = channel_on(A, B, sentinel_kwargs={"password": "lookout"})
    manager = channel._get_pool().sentinel_manager
    for sentinel in manager.sentinels:
        kwargs = sentinel.connection_pool.connection_kwargs
        assert (kwargs["password"], kwargs["socket_timeout"]) == ("lookout", 1.5)
        assert kwargs["retry"].get_retries() == 0


def test_what_the_user_says_of_sentinels_holds() -> None:
    options = asking_options({"socket_timeout": 9}, {"socket_timeout": 1, "password": "primary"})
    assert options["socket_timeout"] == 9
    assert "password" not in options


def test_primaries_of_one_name_behind_other_sentinels_are_other_places() -> None:
    assert channel_on(A)._place() != channel_on(B)._place()
    assert channel_on(A, B)._place() == channel_on(B, A)._place()
