"""What must hold before `up` starts anything: each failure is one line with its remedy."""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flask_celeriac.embedded import Lock

if TYPE_CHECKING:
    from flask_celeriac.declare.state import AppState

_LOCK_NAME = "up.lock"
# What a killed `up` left needs a moment to end.
_PORT_WAIT_S = 1.5
_BROKER_WAIT_S = 8.0


def claim_folder(folder: Path) -> Lock:
    """Take the lock that says: here runs `up`. The lock goes with this process.

    What is written into it is shown to a second `up`: see `name_owner`.

    Raises:
        click.ClickException: Another `up` runs, or the folder can not be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = Lock(folder / _LOCK_NAME)
    except BlockingIOError:
        raise click.ClickException(_who_runs(folder)) from None
    except OSError as error:
        raise click.ClickException(
            f"`flask celery up` keeps its files in {folder}, which can not be written "
            f"({error.strerror}). Make that folder writable, or give Flask another instance_path."
        ) from None
    name_owner(lock, "")
    return lock


def name_owner(lock: Lock, address: str) -> None:
    """Write this process, and the address of its web server if it has one, into *lock*."""
    lock.write({"pid": os.getpid(), "address": address})


def _who_runs(folder: Path) -> str:
    try:
        record = json.loads((folder / _LOCK_NAME).read_bytes())
        who = f"process {record['pid']}" + (f", {record['address']}" if record["address"] else "")
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return f"`flask celery up` already runs for this app ({who}). Stop it first, or use it."


def claim_port(host: str, port: int) -> int:
    """Make sure that *port* can be bound; 0 chooses a free one.

    Returns:
        The port, above 0.

    Raises:
        click.ClickException: It is in use, or the host is not one of this machine.
    """
    deadline = time.monotonic() + _PORT_WAIT_S
    while True:
        try:
            return _bind(host, port)
        except OSError as error:
            is_in_use = not isinstance(error, socket.gaierror) and error.errno == errno.EADDRINUSE
            if is_in_use and time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            if is_in_use:
                message = (
                    f"Port {port} on {host} is in use by another program. "
                    f"Stop that program, or choose another port: --port {_other(port)}"
                )
            else:
                message = f"Can not listen on {host}, port {port}: {error.strerror}."
            raise click.ClickException(message) from None


def _bind(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        return int(listener.getsockname()[1])


def _other(port: int) -> int:
    return port + 1 if port < 65535 else 5000


def check_broker(state: AppState) -> None:
    """Connect to the configured broker once.

    Raises:
        click.ClickException: It does not answer within eight seconds, or refuses.
    """
    outcome: list[BaseException | None] = []
    # In a thread, since not every transport keeps to a deadline.
    thread = threading.Thread(target=lambda: outcome.append(_connect(state)), daemon=True)
    thread.start()
    thread.join(_BROKER_WAIT_S)
    reason = "no answer" if not outcome else _in_one_line(outcome[0])
    if reason is not None:
        raise click.ClickException(
            f"The broker {broker_name(state)} can not be used: {reason}. "
            "Start it or correct CELERY_BROKER_URL; without that setting a private server is used."
        )


def _connect(state: AppState) -> BaseException | None:
    from flask_celeriac.transport.probe import bounded_connection

    try:
        with bounded_connection(state.celery) as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except Exception as error:
        return error
    return None


def _in_one_line(error: BaseException | None) -> str | None:
    if error is None:
        return None
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def broker_name(state: AppState) -> str:
    """Return the configured broker for people, without its password."""
    from flask_celeriac.settings import mask_url

    url: Any = state.settings.broker_url
    return ";".join(mask_url(part) for part in str(url).split(";"))
