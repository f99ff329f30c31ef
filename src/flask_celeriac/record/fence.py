"""Whether a run still has the claim on its task, so that a late run stores nothing.

A worker that was declared dead may still be alive, frozen or cut off. Its task was given to another
one, and what it brings late must not overwrite what the other one brings.

The transport names each delivery ``<incarnation>/<number>`` and keeps ``<number>`` in a hash of
the broker as long as the process really has the claim. Where broker and result backend are one
database, the script that stores a result looks there in the same step. Where they are two, or
the broker's URL is a list for failover, there is no check: a late run may store its result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from flask_celeriac.transport.redis.keys import claims_key

_TAG = re.compile(r"([\w.~-]+)/(\d+)", re.ASCII)
_TCP = frozenset({"redis", "rediss"})
_SOCKET = frozenset({"redis+socket", "socket"})


@dataclass(frozen=True, slots=True)
class Claim:
    """Where it is written that a process has claimed a delivery: field *number* of hash *key*."""

    key: str
    number: str


def claim_of(request: Any, prefix: str) -> Claim | None:
    """Read the claim of a task's request.

    Args:
        request: What Celery calls request: of a running task, a worker's, or None.
        prefix: The broker's ``global_keyprefix``, or "".

    Returns:
        None when the delivery tag is not one of our transport's.
    """
    properties = getattr(request, "properties", None)
    tag = properties.get("delivery_tag") if isinstance(properties, Mapping) else None
    match = _TAG.fullmatch(tag) if isinstance(tag, str) else None
    return match and Claim(claims_key(prefix, match[1]), match[2])


def is_one_database(conf: Any, connparams: Mapping[str, Any]) -> bool:
    """Tell whether the broker is the database in which results are kept.

    Only when both are written alike: a wrong yes would let no result be stored.

    Args:
        conf: Celery's configuration; its ``broker_read_url`` counts.
        connparams: The result backend's parameters of connection, after all settings.
    """
    url = conf.broker_read_url
    urls = list(url) if isinstance(url, (list, tuple)) else [url or ""]
    if "hosts" in connparams:
        return len(urls) == 1 and _is_one_sentinel(conf, urls[0], connparams)
    if len(urls) != 1 or ";" in urls[0]:
        return False
    return _place_of(urls[0]) == _place(connparams)


def _is_one_sentinel(conf: Any, url: str, connparams: Mapping[str, Any]) -> bool:
    """Compare the set of Sentinels, the master they watch, and the database."""
    parts = [urlsplit(_plain(part)) for part in url.split(";")]
    if any(part.scheme != "sentinel" for part in parts):
        return False
    masters = (conf.broker_transport_options, conf.result_backend_transport_options)
    broker, results = (options.get("master_name") for options in masters)
    return (
        broker == results
        and {(part.hostname, part.port) for part in parts}
        == {(str(host["host"]).lower(), host["port"]) for host in connparams["hosts"]}
        and _number(parts[0].path) == _number(connparams.get("db"))
    )


def _place_of(url: str) -> tuple[Any, ...] | None:
    """Where a broker's URL leads: host and port or path, and database; None if not to Redis."""
    parts = urlsplit(_plain(url))
    if parts.scheme in _SOCKET:
        database = parse_qs(parts.query).get("virtual_host", ["0"])[0]
        return unquote(parts.netloc + parts.path), _number(database)
    if parts.scheme in _TCP:
        return parts.hostname or "localhost", parts.port or 6379, _number(parts.path)
    return None


def _place(connparams: Mapping[str, Any]) -> tuple[Any, ...]:
    """The same for the result backend."""
    database = _number(connparams.get("db"))
    if "path" in connparams:
        return connparams["path"], database
    return str(connparams["host"]).lower(), int(connparams["port"]), database


def _plain(url: str) -> str:
    """Take away the mark of our own transport."""
    plain = url.strip().removeprefix("celeriac-")
    return plain.replace("celeriac-", "")


def _number(database: Any) -> int:
    """The number of a database, which kombu also takes as "/1"; -1 if it is none."""
    text = str(database or 0).strip("/") or "0"
    return int(text) if text.isdecimal() else -1
