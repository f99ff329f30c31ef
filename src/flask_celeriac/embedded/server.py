"""Start, find ready and stop one private server on one folder."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from flask_celeriac.errors import EmbeddedServerError

from . import failure
from .answer import ask_ping
from .binary import Binary, find_binary
from .guarded import GuardedProcess
from .lockfile import (
    FILE_NAME,
    Lock,
    RunningServer,
    find_running,
    mark_stopped,
    name_server,
    read_record,
)

_HOST = "127.0.0.1"
_PORT_TRIES = 5
_READY_S = 30.0
_LOADING_S = 600.0
_STOP_S = 5.0
# When its owner is killed the server has this long to close its files in order.
_GRACE_S = 0.5
# A server whose owner was just killed is gone after the grace, and its lock with it.
_LOCK_WAIT_S = 3.0

_CONFIG = """\
bind {host}
port {port}
requirepass {password}
daemonize no
appendonly yes
appendfsync everysec
aof-load-truncated yes
save ""
maxmemory-policy noeviction
"""


class EmbeddedServer:
    """A private server whose data lie in *folder*, alive as long as this process at most.

    It listens on a free loopback port and asks for a random password. Data are kept between
    starts; every write is on disk after a second. One server a folder: the lock file there
    names it to other processes. A forked child may use the address, but not stop the server.

    Args:
        folder: Made when it is missing; only its owner can read it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder).absolute()
        self._log_path = self.folder / failure.LOG_NAME
        self._password = secrets.token_urlsafe(24)
        self._port = 0
        self._binary: Binary | None = None
        self._process: GuardedProcess | None = None

    def start(self) -> None:
        """Start the server and wait until it answers; nothing if it runs already.

        After a crash the port is the former one, if it is still free, so that clients find
        the server again.

        Raises:
            EmbeddedServerError: The folder can not be written, another server has it, or the
                server does not start on its data. Nothing runs, no data were changed.
            MissingExtra: No server binary is installed.
        """
        if self._process is not None and self._process.poll() is None:
            return
        written_by = _make_folder(self.folder)
        self._binary = find_binary(written_by)
        failure.refuse_foreign_format(self.folder, self._binary, written_by)
        with _take_lock(self.folder) as lock:
            name_server(lock, RunningServer(os.getpid(), "", written_by or self.version))
            self._process = self._launch_on_free_port(self._binary, lock, written_by)
            name_server(lock, RunningServer(os.getpid(), self.url, self.version))

    def stop(self) -> None:
        """Stop the server in order, or by force after five seconds; safe to repeat."""
        process = self._process
        if process is None or not process.is_owned:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            process.wait(_STOP_S)
        finally:
            process.end()
        self._process = None
        mark_stopped(self.folder, RunningServer(os.getpid(), self.url, self.version))

    @property
    def url(self) -> str:
        """ "redis://:password@127.0.0.1:port/0", with the password in clear."""
        return f"redis://:{self._password}@{_HOST}:{self._port}/0"

    @property
    def version(self) -> str:
        """Product and version, "Valkey 9.1.2"; empty before the first start."""
        return self._binary.product if self._binary else ""

    @property
    def place(self) -> str:
        """Address without password and data folder, for people."""
        return f"{_HOST}:{self._port}, data in {self.folder}"

    @property
    def pid(self) -> int | None:
        """The server's own process id; None when it was not started."""
        return self._process.pid if self._process else None

    @property
    def returncode(self) -> int | None:
        """How the server ended by itself, as `GuardedProcess.returncode`; None while it runs."""
        return self._process.poll() if self._process else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"EmbeddedServer({str(self.folder)!r})"

    def _launch_on_free_port(
        self, binary: Binary, lock: Lock, written_by: str | None
    ) -> GuardedProcess:
        for _ in range(_PORT_TRIES):
            self._port = _free_port(self._port)
            try:
                process = self._launch(binary, lock)
            except OSError as error:
                raise EmbeddedServerError(
                    f"{binary.path} can not be started: {error.strerror or error}"
                ) from error
            try:
                if self._wait_until_ready(process):
                    return process
            except BaseException:
                process.end()
                process.wait()
                raise
            log = self._log_path.read_text(errors="replace")
            if not failure.is_port_taken(log):
                raise failure.explain(log, self.folder, binary, process.returncode, written_by)
        raise EmbeddedServerError(f"Found no free port on {_HOST} in {_PORT_TRIES} tries.")

    def _launch(self, binary: Binary, lock: Lock) -> GuardedProcess:
        config = _CONFIG.format(host=_HOST, port=self._port, password=self._password)
        self._log_path.unlink(missing_ok=True)
        self._log_path.touch(0o600)
        with self._log_path.open("ab") as log, _as_input(config) as config_file:
            return GuardedProcess(
                [binary.path, "-"],
                grace_s=_GRACE_S,
                keep_fds=(lock.fd,),
                cwd=self.folder,
                # It refuses to start under a locale that the machine does not have.
                env={**os.environ, "LC_ALL": "C"},
                stdin=config_file,
                stdout=log,
                stderr=log,
            )

    def _wait_until_ready(self, process: GuardedProcess) -> bool:
        """Return False when the server has ended by itself."""
        started = time.monotonic()
        limit_s = _READY_S
        while process.poll() is None:
            answer = ask_ping(self.url, timeout_s=0.5)
            if answer and process.poll() is None:
                return True
            if answer is None:
                limit_s = _LOADING_S
            if time.monotonic() > started + limit_s:
                raise EmbeddedServerError(
                    f"The embedded server gave no answer for {limit_s:.0f} s; "
                    f"its log is {self._log_path}."
                )
            time.sleep(0.01)
        process.end()
        return False


def _make_folder(folder: Path) -> str | None:
    """Make sure that *folder* can be written; return the product that wrote its data, if known."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch(0o600)
        probe.unlink()
    except OSError as error:
        raise EmbeddedServerError(
            f"The embedded server can not keep its data in {folder} ({error.strerror}). "
            "Make that folder writable, give Flask another instance_path, "
            "or set CELERY_BROKER_URL to a server of your own."
        ) from error
    record = read_record(folder)
    return record.version or None if record else None


def _take_lock(folder: Path) -> Lock:
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            return Lock(folder / FILE_NAME)
        except BlockingIOError as error:
            running = find_running(folder)
            if (running and _is_alive(running.pid)) or time.monotonic() > deadline:
                owner = running or read_record(folder)
                who = f"process {owner.pid}" if owner else "another process"
                raise EmbeddedServerError(
                    f"An embedded server already runs on {folder}, started by {who}. "
                    "Stop that one, or use it."
                ) from error
        except OSError as error:
            raise EmbeddedServerError(
                f"The embedded server can not lock {folder} ({error.strerror}). "
                "Put the instance folder on a local disk, or set CELERY_BROKER_URL."
            ) from error
        time.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _free_port(preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as listener:
            # As the server does: a port with connections in TIME_WAIT is free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((_HOST, port))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise EmbeddedServerError(f"No port of {_HOST} can be bound.")


@contextlib.contextmanager
def _as_input(text: str) -> Iterator[IO[bytes]]:
    """Give *text* as a file without a name, so that the password is in no file and no `ps`."""
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        yield file
