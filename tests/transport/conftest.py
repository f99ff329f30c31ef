"""One store on each kind of server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import pytest
from redis import Redis
from redis_programs import PROGRAMS, find_program, running

from flask_celeriac.transport.redis.layout import Layout
from flask_celeriac.transport.redis.replies import Claimed
from flask_celeriac.transport.redis.store import MessageStore

#: An incarnation's lease where a test does not want it to end.
LONG_S = 600.0


@pytest.fixture(scope="session", params=PROGRAMS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL, with password, of a private server of one kind."""
    program = find_program(request.param)
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no server of the kind {request.param} is installed")
        pytest.skip(f"no server of the kind {request.param} is installed")
    with running(program, tmp_path_factory.mktemp(request.param)) as url:
        yield url


@pytest.fixture
def client(server: str) -> Iterator[Redis]:
    """A client of an empty database."""
    with Redis.from_url(server) as client:
        client.flushdb()
        yield client


@pytest.fixture(
    params=[
        pytest.param({}, id="plain"),
        pytest.param({"prefix": "shop[1]*:", "separator": "::"}, id="prefix"),
    ]
)
def store(client: Redis, request: pytest.FixtureRequest) -> MessageStore:
    """An empty store, with kombu's names of keys and with others."""
    return MessageStore(client, Layout(**request.param))


@pytest.fixture
def claim(store: MessageStore) -> Callable[..., Claimed]:
    """Claim by "one" from the queue "q", if nothing else is said."""

    def call(
        incarnation: str = "one",
        limit: int = 10,
        queues: str = "q",
        lease_s: float = LONG_S,
        tasks: Sequence[str] = (),
    ) -> Claimed:
        wanted = dict.fromkeys(queues.split(), True)
        return store.claim(incarnation, wanted, limit, lease_s=lease_s, tasks=tasks)

    return call


@pytest.fixture
def end_lease(store: MessageStore) -> Callable[[str], None]:
    """Let the lease of an incarnation have ended a second ago."""

    def call(incarnation: str) -> None:
        seconds, _ = store.client.time()
        key = f"{store.layout.namespace}workers"
        store.client.zadd(key, {incarnation: seconds * 1000 - 1000}, xx=True)

    return call


@pytest.fixture
def let_die(
    store: MessageStore, claim: Callable[..., Claimed], end_lease: Callable[[str], None]
) -> Callable[..., None]:
    """Let processes take what is there and die, one after the other."""

    def call(times: int) -> None:
        for number in range(times):
            claim(f"dying-{number}")
            end_lease(f"dying-{number}")
            store.reap()

    return call
