"""Single requests of the runner, which are not measured."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import Any

_WITHIN_S = 30.0


def ask(
    port: int, path: str, body: Mapping[str, Any] | None = None
) -> tuple[int, dict[str, Any], Message]:
    """Ask a server of this machine for JSON; with a body by POST.

    Returns:
        Status, body (empty where it is none that was expected), and head.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=_WITHIN_S) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}, error.headers
