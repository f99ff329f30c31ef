"""Ask a server whether it is there, without a client library."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit


def ask_ping(url: str, *, timeout_s: float = 2.0) -> bool | None:
    """Log in at the server of *url* and ping it.

    Args:
        url: "redis://:password@host:port/0".
        timeout_s: For each step, above 0.

    Returns:
        True when it answers and knows the password, None when it is loading its data, and
        False otherwise, also when some other program has that port.
    """
    parts = urlsplit(url)
    if not parts.hostname or not parts.port:
        return False
    try:
        with socket.create_connection((parts.hostname, parts.port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(f"AUTH {parts.password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                login, ping = answers.readline(512), answers.readline(512)
    except OSError:
        return False
    if login.strip() != b"+OK":
        return False
    if ping.startswith((b"-LOADING", b"-MASTERDOWN")):
        return None
    return ping.strip() == b"+PONG"
