"""A site with a worker that lives as long as the test run, and sites of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from client_site import GTHREAD, Running, Site, start_web, start_worker
from gate import Gate

from flask_celeriac.embedded import EmbeddedServer

StartWeb = Callable[..., Site]


@pytest.fixture(scope="session")
def clients_url(
    redis_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A server that no other test empties; with a worker."""
    folder = tmp_path_factory.mktemp("clients")
    server = EmbeddedServer(folder / "redis")
    server.start()
    worker = start_worker(folder / "worker.log", server.url)
    yield server.url
    worker.stop()
    server.stop()


@contextmanager
def webs(folder: Path, url: str) -> Iterator[StartWeb]:
    """Start gunicorn as often as is asked for; end all at the end."""
    running: list[Running] = []

    def start(*words: str, url: str = url, **environment: str) -> Site:
        web, site = start_web(folder / f"web{len(running)}.log", url, *words, **environment)
        running.append(web)
        return site

    try:
        yield start
    finally:
        for web in running:
            web.process.terminate()
        for web in running:
            web.stop()


@pytest.fixture(scope="session")
def site(clients_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One process of gunicorn with threads."""
    with webs(tmp_path_factory.mktemp("web"), clients_url) as start:
        yield start(*GTHREAD)


@pytest.fixture
def new_web(clients_url: str, tmp_path: Path) -> Iterator[StartWeb]:
    """Start gunicorn as a test wants it; its worker is that of all."""
    with webs(tmp_path, clients_url) as start:
        yield start


@pytest.fixture(scope="module")
def lasting_web(clients_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartWeb]:
    """The same, for all tests of a file."""
    with webs(tmp_path_factory.mktemp("webs"), clients_url) as start:
        yield start


@pytest.fixture
def new_gate(tmp_path: Path) -> Iterator[Callable[[], Gate]]:
    """Make gates; tasks that walk through them end with the test."""
    gates: list[Gate] = []

    def new() -> Gate:
        gates.append(Gate(tmp_path / f"gate{len(gates)}"))
        return gates[-1]

    yield new
    for gate in gates:
        gate.close()


@pytest.fixture
def gate(new_gate: Callable[[], Gate]) -> Gate:
    return new_gate()
