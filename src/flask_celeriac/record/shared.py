"""The listeners of this process, one for each server, whatever the number of apps and threads."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .listener import Listener

_CONNECT_S = 2.0
_ANSWER_S = 5.0
#: Objects that differ between two backends of one server.
_WITHOUT_MEANING = frozenset({"driver_info"})

_lock = threading.Lock()
_listeners: weakref.WeakValueDictionary[str, Listener] = weakref.WeakValueDictionary()


def shared_listener(backend: Any) -> Listener:
    """Give the listener for the server of *backend*, made when it is first asked for."""
    given = backend.connparams
    server = repr([(name, given[name]) for name in sorted(given.keys() - _WITHOUT_MEANING)])
    with _lock:
        listener = _listeners.get(server)
        if listener is None:
            client: Redis = backend._create_client(**_listening_params(given))
            listener = _listeners[server] = Listener(client)
        return listener


def _listening_params(connparams: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a connection that never hangs, never repeats by itself and never decodes."""
    limits: dict[str, Any] = {"socket_timeout": _ANSWER_S}
    if "path" not in connparams:
        limits["socket_connect_timeout"] = _CONNECT_S
    return {
        **connparams,
        **limits,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "health_check_interval": 0,
        "protocol": 2,
        "decode_responses": False,
        "max_connections": None,
    }


def _start_anew() -> None:
    """What was inherited by a fork belongs to the parent: its sockets, and perhaps a held lock."""
    global _lock, _listeners
    _lock = threading.Lock()
    _listeners = weakref.WeakValueDictionary()


os.register_at_fork(after_in_child=_start_anew)
