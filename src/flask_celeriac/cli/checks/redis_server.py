"""A Redis or Valkey server as a keeper of messages, read from `INFO`.

`INFO` and not `CONFIG`, which managed servers forbid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from flask_celeriac.transport.redis import safety

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
        require_durable: `CELERIAC_REQUIRE_DURABLE`.
    """
    if info:
        yield from _version(name, info)
        yield from _memory(info)
    for remark in safety.judge(info, require_durable=require_durable):
        yield Finding(remark.check, remark.level, remark.says, remark.remedy)


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


def _memory(info: Mapping[str, Any]) -> Iterator[Finding]:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0) or 0)
    if most and used > 0.9 * most:
        yield warning(
            "redis.memory",
            f"{used / most:.0%} of maxmemory is used: when it is full no message is taken.",
            "Raise maxmemory, let results expire sooner, or add workers.",
        )
