"""The shop, as processes of its own (`line`) or in this process (`make_shop`)."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from command_line import HERE, CommandLine
from flask import Flask


@pytest.fixture
def shop_environment(tmp_path: Path, redis_url: str) -> dict[str, str]:
    return {
        "SHOP_URL": redis_url,
        "SHOP_INSTANCE": str(tmp_path / "instance"),
        "CELERIAC_STATE_DIR": str(tmp_path / "state"),
    }


@pytest.fixture
def line(tmp_path: Path, shop_environment: dict[str, str]) -> Iterator[CommandLine]:
    environment = {**os.environ, **shop_environment, "PYTHONPATH": str(HERE), "COLUMNS": "100"}
    command_line = CommandLine(tmp_path, environment)
    yield command_line
    command_line.end()


@pytest.fixture
def make_shop(
    shop_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Flask]:
    for name, value in shop_environment.items():
        monkeypatch.setenv(name, value)

    def make(**config: Any) -> Flask:
        import shop

        return shop.create_app(**config)

    return make


@pytest.fixture
def dead_url() -> str:
    """A broker URL, with a password, behind which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"redis://:canary@127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def server_setting(redis_url: str) -> Iterator[Callable[[str, str], None]]:
    """Set one option of the private server, until the test ends."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        before: dict[str, str] = {}

        def change(name: str, value: str) -> None:
            before.setdefault(name, client.config_get(name)[name])
            client.config_set(name, value)

        yield change
        for name, value in before.items():
            client.config_set(name, value)
