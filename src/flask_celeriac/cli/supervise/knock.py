"""Ask a development server whether it answers, without a request that the app would see."""

from __future__ import annotations

import socket

# Not HTTP: the server answers "400" itself and logs the word, by which the lines are hidden.
WORD = "CELERIAC-KNOCK"
_ANSWER_S = 10.0


def is_answered(host: str, port: int) -> bool:
    """Connect and wait for a byte; False when there is none, after ten seconds at most."""
    # A reloader's listening socket accepts before the app is loaded, so a connection says little.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    try:
        with socket.create_connection((host, port), _ANSWER_S) as connection:
            connection.sendall(f"{WORD}\r\n\r\n".encode())
            return bool(connection.recv(1))
    except OSError:
        return False
