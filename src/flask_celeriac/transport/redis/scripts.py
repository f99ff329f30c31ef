"""The Lua scripts of the folder `lua`, ready to be called."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

# Whatever stands before a script is run each time: those of every message have what they use.
_PARTS = {"publish": ("prelude", "publish"), "finish": ("prelude", "attempts", "outcome", "finish")}


@dataclass(frozen=True, slots=True)
class Script:
    """One script with what it uses; `sha` is how a server that has it knows it."""

    text: str
    sha: str


def outcome_text() -> str:
    """Return the function by which the state of a task is stored, for other scripts."""
    folder = files("flask_celeriac.transport.redis") / "lua"
    return (folder / "outcome.lua").read_text(encoding="utf-8")


@cache
def script(name: str) -> Script:
    """Return the script *name* of the folder `lua`."""
    folder = files("flask_celeriac.transport.redis") / "lua"
    names = _PARTS.get(name, ("prelude", "attempts", name))
    text = "\n".join((folder / f"{part}.lua").read_text(encoding="utf-8") for part in names)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def run(client: Redis, name: str, *arguments: Any) -> Any:
    """Run the script *name* with one key; it is sent again to a server that lost it.

    Args:
        client: Must add no prefix of its own.
        name: Of a file in `lua`.
        arguments: KEYS[1], then ARGV.

    Raises:
        redis.exceptions.RedisError: What the server or the connection said. After a broken
            connection the script may have run or not.
    """
    wanted = script(name)
    try:
        return client.evalsha(wanted.sha, 1, *arguments)
    except NoScriptError:
        return client.eval(wanted.text, 1, *arguments)
