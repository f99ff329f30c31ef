"""Whether a server is a safe place for messages, as far as `INFO` tells.

`INFO` and not `CONFIG`, which managed servers forbid. Asked by a worker that starts, and by
`flask celery doctor`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["ok", "warning", "error"]
_OLDEST = (6, 2)


@dataclass(frozen=True, slots=True)
class Remark:
    """What was found about one thing.

    Attributes:
        check: What was examined; stable, for programs.
        level: An error is to be mended before production; a warning is to be known.
        says: What was found and why it matters.
        remedy: What to do; "" when nothing is to be done.
        is_refused: The server is set up so, and no worker starts on it. What may pass, as a
            full disk or a failover, is no reason to give up.
    """

    check: str
    level: Level
    says: str
    remedy: str = ""
    is_refused: bool = False


def judge(info: Mapping[str, Any], *, require_durable: bool) -> Iterator[Remark]:
    """Judge one server.

    Args:
        info: What `INFO` says; empty if it is forbidden.
        require_durable: Losing messages when the server dies, or deleting anything when its
            memory is full, is an error.
    """
    if not info:
        yield Remark(
            "redis.info",
            "warning",
            "The server refuses INFO, so its policy and persistence are not known.",
            "Let the user of the URL run INFO (ACL: +info), or make sure of noeviction and AOF.",
        )
        return
    yield from _version(info)
    yield from _mode(info)
    yield from _eviction(info, require_durable)
    yield from _persistence(info, require_durable)


def _version(info: Mapping[str, Any]) -> Iterator[Remark]:
    version = str(info.get("redis_version", ""))
    numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
    if len(numbers) == len(_OLDEST) and tuple(numbers) < _OLDEST:
        yield Remark(
            "redis.version",
            "error",
            f"The server is Redis {version}, which can not take several messages in one step.",
            "Use Redis 6.2 or newer, or Valkey 8 or newer.",
            is_refused=True,
        )


def _mode(info: Mapping[str, Any]) -> Iterator[Remark]:
    if info.get("cluster_enabled"):
        yield Remark(
            "redis.cluster",
            "error",
            "The server is a Redis Cluster: a queue's keys lie on several nodes, and what must "
            "happen in one step can not.",
            "Use one server, or one with replicas and Sentinel.",
            is_refused=True,
        )
    if info.get("role") == "slave":
        yield Remark(
            "redis.role",
            "error",
            "The server is a replica: nothing can be written to it.",
            "Name the primary in the URL, or use sentinel:// to follow it.",
        )


def _eviction(info: Mapping[str, Any], require_durable: bool) -> Iterator[Remark]:
    policy = str(info.get("maxmemory_policy", ""))
    remedy = "Set maxmemory-policy noeviction on the server."
    if policy.startswith("allkeys-"):
        yield Remark(
            "redis.eviction",
            "error",
            f"maxmemory-policy is {policy}: when memory is full the server deletes whole queues, "
            "with every message in them, and says nothing.",
            remedy,
            is_refused=True,
        )
    elif policy.startswith("volatile-"):
        yield Remark(
            "redis.eviction",
            "error" if require_durable else "warning",
            f"maxmemory-policy is {policy}: when memory is full the server deletes results "
            "and other keys that expire.",
            remedy,
            is_refused=require_durable,
        )
    elif policy:
        says = f"maxmemory-policy is {policy}: nothing is deleted in silence."
        yield Remark("redis.eviction", "ok", says)


def _persistence(info: Mapping[str, Any], require_durable: bool) -> Iterator[Remark]:
    if not info.get("aof_enabled"):
        yield Remark(
            "redis.persistence",
            "error" if require_durable else "warning",
            "The append-only file is off: when the server dies, messages since its last snapshot, "
            "or all of them, are lost.",
            "Set appendonly yes on the server.",
            is_refused=require_durable,
        )
        return
    states = {str(info.get(f"aof_last_{what}_status", "ok")) for what in ("write", "bgrewrite")}
    if states == {"ok"}:
        says = "The append-only file is on: a restart loses nothing."
        yield Remark("redis.persistence", "ok", says)
    else:
        yield Remark(
            "redis.persistence",
            "error",
            "The append-only file is on, but the last write to it failed.",
            "Look at the server's log and its disk.",
        )
