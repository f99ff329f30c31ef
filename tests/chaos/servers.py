"""Servers as operators set them up: with TLS alone, and with a replica behind Sentinels."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
import trustme
from fleet import wait_until
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from flask_celeriac.embedded import GuardedProcess

#: Debian's: it can do TLS, and is its own Sentinel.
PROGRAM = Path("/usr/bin/redis-server")
PASSWORD = "canary"
SENTINEL_PASSWORD = "lookout"
MASTER = "shop"
_DURABLE = {"appendonly": "yes", "save": '""', "requirepass": PASSWORD}
_WITHIN_S = 10.0
_given: set[int] = set()


@dataclass
class Server:
    """One process on a free port of this machine; its settings are those of redis.conf."""

    folder: Path
    settings: Mapping[str, str]
    options: tuple[str, ...] = ()
    port_setting: str = "port"
    port: int = field(default_factory=lambda: _free_port())

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "redis.conf"
        given = {"bind": "127.0.0.1", self.port_setting: self.port, **self.settings}
        config.write_text("".join(f"{name} {value}\n" for name, value in given.items()))
        with (self.folder / "log").open("ab") as log:
            self.process = GuardedProcess(
                [PROGRAM, config, *self.options],
                cwd=self.folder,
                env={**os.environ, "LC_ALL": "C"},
                stdout=log,
                stderr=log,
            )
        wait_until(self._listens, _WITHIN_S, (self.folder / "log").read_text)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(_WITHIN_S)

    def end(self) -> None:
        self.process.end()
        self.process.wait(_WITHIN_S)

    def _listens(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


@dataclass(frozen=True)
class Encrypted:
    """A server that speaks TLS alone, and only with clients of the authority that it is of."""

    server: Server
    authority: Path
    certificate: Path

    @property
    def url(self) -> str:
        return f"rediss://:{PASSWORD}@127.0.0.1:{self.server.port}/0"

    def options(self, authority: Path) -> dict[str, str]:
        """Return what a client has to say that trusts *authority*."""
        return {
            "ssl_cert_reqs": "required",
            "ssl_ca_certs": str(authority),
            "ssl_certfile": str(self.certificate),
            "ssl_keyfile": str(self.certificate),
        }

    def url_trusting(self, authority: Path) -> str:
        # Certificates are verified without ssl_cert_reqs.
        query = {**self.options(authority)}
        del query["ssl_cert_reqs"]
        return f"{self.url}?{urlencode(query)}"


@dataclass(frozen=True)
class Watched:
    """A primary, first of `nodes`, its replicas, and the Sentinels that watch all."""

    nodes: list[Server]
    sentinels: list[Server]

    @property
    def url(self) -> str:
        hosts = [f"sentinel://:{PASSWORD}@127.0.0.1:{each.port}/0" for each in self.sentinels]
        return ";".join(hosts)

    def client(self) -> redis.Redis:
        """Return a client that follows the primary, and asks again while that changes."""
        hosts = [("127.0.0.1", each.port) for each in self.sentinels]
        own = {"password": SENTINEL_PASSWORD}
        sentinel = redis.sentinel.Sentinel(hosts, sentinel_kwargs=own, password=PASSWORD)
        return sentinel.master_for(MASTER, retry=Retry(ConstantBackoff(0.1), 50))

    def wait_ready(self) -> None:
        """Wait until all Sentinels know all others and all replicas."""
        known = (len(self.nodes) - 1, len(self.sentinels) - 1)
        wait_until(lambda: all(_known_to(each) == known for each in self.sentinels), 20)

    def rejoin(self, node: Server) -> None:
        """Start a node that was the primary as a replica of the one that is, and wait for it."""
        with self._sentinel() as sentinel:
            port = sentinel.sentinel_master(MASTER)["port"]
        node.settings = {**node.settings, "replicaof": f"127.0.0.1 {port}"}
        node.start()
        with redis.Redis(port=port, password=PASSWORD) as client:
            wait_until(lambda: _online_replicas(client) == len(self.nodes) - 1, 20)

    def require_replica(self) -> None:
        """Let a primary that has lost its replicas refuse writes."""
        for node in self.nodes:
            with redis.Redis(port=node.port, password=PASSWORD) as client:
                client.config_set("min-replicas-to-write", 1)
                client.config_set("min-replicas-max-lag", 3)

    def fail_over(self) -> None:
        """Ask for a failover, as before the primary's machine is maintained."""

        def is_begun() -> bool:
            with contextlib.suppress(redis.ResponseError):
                return bool(sentinel.execute_command("SENTINEL", "FAILOVER", MASTER))
            return False

        with self._sentinel() as sentinel:
            wait_until(is_begun, 20)

    def _sentinel(self) -> redis.Redis:
        """Return a client of a Sentinel that runs."""
        server = next(each for each in self.sentinels if each.process.poll() is None)
        return redis.Redis(port=server.port, password=SENTINEL_PASSWORD)


@contextlib.contextmanager
def running(*servers: Server) -> Iterator[None]:
    """Run *servers*, started in this order, as long as the block lasts."""
    if not PROGRAM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{PROGRAM} is not installed")
        pytest.skip(f"{PROGRAM} is not installed")
    with contextlib.ExitStack() as ends:
        for server in servers:
            server.start()
            ends.callback(server.end)
        yield


def encrypted(folder: Path) -> Encrypted:
    """Return a server with a certificate of an authority of its own; not started."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    client = authority.issue_cert("worker@example.org")
    trusted, own, client_own = (folder / f"{name}.pem" for name in ("authority", "own", "client"))
    authority.cert_pem.write_to_path(str(trusted))
    certificate.private_key_and_cert_chain_pem.write_to_path(str(own))
    client.private_key_and_cert_chain_pem.write_to_path(str(client_own))
    settings = {
        **_DURABLE,
        "port": "0",
        "tls-cert-file": str(own),
        "tls-key-file": str(own),
        "tls-ca-cert-file": str(trusted),
    }
    server = Server(folder / "tls", settings, port_setting="tls-port")
    return Encrypted(server, trusted, client_own)


def watched(folder: Path, *, replicas: int = 2, sentinels: int = 3) -> Watched:
    """Return servers with passwords that fail over within seconds; not started."""
    common = {**_DURABLE, "masterauth": PASSWORD, "repl-diskless-sync-delay": "0"}
    primary = Server(folder / "node-0", common)
    following = {**common, "replicaof": f"127.0.0.1 {primary.port}"}
    others = [Server(folder / f"node-{number + 1}", following) for number in range(replicas)]
    settings = {
        "requirepass": SENTINEL_PASSWORD,
        "sentinel sentinel-pass": SENTINEL_PASSWORD,
        f"sentinel monitor {MASTER}": f"127.0.0.1 {primary.port} {sentinels // 2 + 1}",
        f"sentinel auth-pass {MASTER}": PASSWORD,
        f"sentinel down-after-milliseconds {MASTER}": "500",
        f"sentinel failover-timeout {MASTER}": "2000",
    }
    watching = [
        Server(folder / f"sentinel-{number}", settings, ("--sentinel",))
        for number in range(sentinels)
    ]
    return Watched([primary, *others], watching)


def _known_to(sentinel: Server) -> tuple[int, int]:
    with redis.Redis(port=sentinel.port, password=SENTINEL_PASSWORD) as client:
        state = client.sentinel_master(MASTER)
    return state["num-slaves"], state["num-other-sentinels"]


def _online_replicas(client: redis.Redis) -> int:
    found = client.info("replication")
    each = [value for name, value in found.items() if name.startswith("slave")]
    return sum(isinstance(value, dict) and value["state"] == "online" for value in each)


def _free_port() -> int:
    """Return a port that nobody is given twice, and no connection by the system."""
    while True:
        port = random.randint(20000, 32000)
        if port in _given:
            continue
        _given.add(port)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
