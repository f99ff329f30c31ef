"""Fixtures for every test: one private server for the whole run."""

from __future__ import annotations

import gc
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from chromium_browser import start_chromium
from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.errors import MissingExtra
from subscriptions import subscriptions

_DATABASES = 16
_numbers = itertools.cycle(range(_DATABASES))


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A private server that lives as long as the test run."""
    server = EmbeddedServer(tmp_path_factory.mktemp("redis"))
    try:
        server.start()
    except MissingExtra as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedServer) -> Iterator[str]:
    """The URL, with password, of an empty database of this test's own."""
    url = _unheard_database(redis_server.url.rpartition("/")[0])
    with redis.Redis.from_url(url) as client:
        client.flushdb()
        yield url
        _end_claimants(client)


def _unheard_database(server_url: str) -> str:
    """Take the next one that nobody listens in, so that a test may count who does.

    Our listener leaves channels a second after the last wait, Celery's own when it is collected.
    """
    deadline = time.monotonic() + 10
    for number in _numbers:
        url = f"{server_url}/{number}"
        with redis.Redis.from_url(url) as client:
            if not subscriptions(client):
                break
        assert time.monotonic() < deadline, "In every database a test left a listener behind"
        gc.collect()
    return url


@pytest.fixture
def own_server(redis_server: EmbeddedServer, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that this test may stop; skipped where `redis_server` is."""
    server = EmbeddedServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def refusing_url() -> str:
    """A place where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def silent_url() -> Iterator[str]:
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def _end_claimants(client: redis.Redis) -> None:
    """End what took messages in this process: else it renews its lease in later tests."""
    claimants = sys.modules.get("flask_celeriac.transport.redis.claimants")
    for kept in claimants.all_kept() if claimants else ():
        mine, its = (
            [each.get_connection_kwargs().get(name) for name in ("host", "port", "db")]
            for each in (client, kept.claimant.store.client)
        )
        if mine == its:
            claimants.forget(kept)


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """A function that waits for a condition, and fails the test after its deadline."""

    def wait(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"still not true after {timeout_s} s: {condition}"
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def flask_worker() -> Callable[..., AbstractContextManager[None]]:
    """A context manager that runs `flask celery worker` for an application in a file."""

    @contextmanager
    def run(folder: Path, module: str, pool: str, log: Path) -> Iterator[None]:
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", f"{module}:create_app", "celery",
                 "worker", "-P", pool, "-c", "2", "--without-mingle"],
                cwd=folder,
                env=dict(os.environ),
                stdout=file,
                stderr=file,
            )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)

    return run


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real browser, driven by selenium."""
    started = start_chromium(tmp_path_factory.mktemp("profile"))
    yield started
    started.quit()
