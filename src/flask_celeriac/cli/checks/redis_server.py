"""A Redis or Valkey server as a keeper of messages, read from `INFO`.

`INFO` and not `CONFIG`, which managed servers forbid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .finding import Finding, error, ok, warning

_OLDEST = (6, 2)

#: First version of each release line with the mend; versions below a line's have no mend.
#: Source: CVE-2025-49844, and the releases of each line that mend it.
_LUA_MENDED = {
    "Redis": ((6, 2, 20), (7, 2, 11), (7, 4, 6), (8, 0, 4), (8, 2, 2)),
    "Valkey": ((7, 2, 11), (8, 0, 6), (8, 1, 4), (9, 0, 0)),
}
#: Source: CVE-2026-23479, Redis 7.2.0 to 8.6.2.
_BLOCKED_CLIENT = ((7, 2, 0), (8, 6, 3))


def examine(name: str, info: Mapping[str, Any], *, require_durable: bool) -> Iterator[Finding]:
    """Examine one server.

    Args:
        name: "Redis" or "Valkey".
        info: What `INFO` says; empty if it is forbidden.
        require_durable: `CELERIAC_REQUIRE_DURABLE`: losing messages at a restart is an error.
    """
    if not info:
        yield warning(
            "redis.info",
            "The server refuses INFO, so its policy and persistence are not known.",
            "Let the user of the URL run INFO (ACL: +info), or make sure of noeviction and AOF.",
        )
        return
    yield from _version(name, info)
    yield from _mode(info)
    yield from _eviction(info, require_durable)
    yield from _persistence(info, require_durable)


def _version(name: str, info: Mapping[str, Any]) -> Iterator[Finding]:
    text = str(info.get("valkey_version" if name == "Valkey" else "redis_version", ""))
    version = tuple(map(int, re.findall(r"\d+", text)[:3]))
    if not version:
        return
    if version < _OLDEST:
        yield error("redis.version", f"{name} {text} is too old.", "Use Redis 6.2 or newer.")
        return
    holes = list(_holes(name, version))
    if holes:
        yield warning(
            "redis.version",
            f"{name} {text} is known for {' and '.join(holes)} "
            "(unless its distributor mended it under the same number).",
            f"Install the newest {name}; let nobody but your application reach it.",
        )
    else:
        yield ok("redis.version", f"{name} {text} has no hole that is known here.")


def _holes(name: str, version: tuple[int, ...]) -> Iterator[str]:
    lines = _LUA_MENDED[name]
    line = next((first for first in lines if first[:2] == version[:2]), None)
    if version < (line or lines[-1]):
        yield "CVE-2025-49844 (Lua runs code)"
    first, mended = _BLOCKED_CLIENT
    if name == "Redis" and first <= version < mended:
        yield "CVE-2026-23479 (a blocked client runs code)"


def _mode(info: Mapping[str, Any]) -> Iterator[Finding]:
    if info.get("cluster_enabled"):
        yield error(
            "redis.cluster",
            "The server is a Redis Cluster: a queue's keys lie on several nodes, and what must "
            "happen in one step can not.",
            "Use one server, or one with replicas and Sentinel.",
        )
    if info.get("role") == "slave":
        yield error(
            "redis.role",
            "The server is a replica: nothing can be written to it.",
            "Name the primary in the URL, or use sentinel:// to follow it.",
        )


def _eviction(info: Mapping[str, Any], require_durable: bool) -> Iterator[Finding]:
    policy = str(info.get("maxmemory_policy", ""))
    remedy = "Set maxmemory-policy noeviction on the server."
    if policy.startswith("allkeys-"):
        yield error(
            "redis.eviction",
            f"maxmemory-policy is {policy}: when memory is full the server deletes whole queues, "
            "with every message in them, and says nothing.",
            remedy,
        )
    elif policy.startswith("volatile-"):
        grave = error if require_durable else warning
        yield grave(
            "redis.eviction",
            f"maxmemory-policy is {policy}: when memory is full the server deletes results "
            "and other keys that expire.",
            remedy,
        )
    elif policy:
        yield ok("redis.eviction", f"maxmemory-policy is {policy}: nothing is deleted in silence.")
    yield from _memory(info)


def _memory(info: Mapping[str, Any]) -> Iterator[Finding]:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0) or 0)
    if most and used > 0.9 * most:
        yield warning(
            "redis.memory",
            f"{used / most:.0%} of maxmemory is used: when it is full no message is taken.",
            "Raise maxmemory, let results expire sooner, or add workers.",
        )


def _persistence(info: Mapping[str, Any], require_durable: bool) -> Iterator[Finding]:
    if info.get("aof_enabled"):
        states = {str(info.get(f"aof_last_{what}_status", "ok")) for what in ("write", "bgrewrite")}
        if states == {"ok"}:
            yield ok("redis.persistence", "The append-only file is on: a restart loses nothing.")
        else:
            yield error(
                "redis.persistence",
                "The append-only file is on, but the last write to it failed.",
                "Look at the server's log and its disk.",
            )
        return
    grave = error if require_durable else warning
    yield grave(
        "redis.persistence",
        "The append-only file is off: when the server dies, messages since its last snapshot, "
        "or all of them, are lost.",
        "Set appendonly yes on the server.",
    )
