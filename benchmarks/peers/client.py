"""The sending process of one system: `python -m benchmarks.peers.client MODULE`.

It runs in the environment of the system and does what the runner asks: one line of JSON on standard
input for each request, one on standard output for each answer. The module, one of `systems`, has:

    LEFT                    Lua: how many messages are not yet done, as well as Redis shows it
    KEPT                    Lua, where a result has no key of its own: how many of ARGV are kept
    send(task, number)      enqueue a task of `work` the library's normal way; gives a handle
    send_many(task, numbers)    the same in the library's bulk call, where it has one
    result(handle)          wait for the result by the library's own means, and return it
    key(handle)             where Redis keeps the result
    call(number)            send `noop` and wait, where the library has one call for both

Those of asyncio libraries are coroutine functions, but for `key`, and `opened()` connects.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import distributions
from typing import Any

#: Where the messages and the results are; both roles of each system read it.
URL = os.environ.get("PEERS_URL", "")
#: Seconds until a result that does not come is an error.
PATIENCE_S = 30
_BATCH = 50
_WARM_UP = 8
_START_WITHIN_S = 60


class Client:
    """What the runner can ask for; the answers are JSON."""

    def __init__(self, system: Any) -> None:
        self._system = system
        self._sent: list[tuple[int, Any]] = []

    async def warm_up(self, processes: int) -> dict[str, Any]:
        """Let tasks run until *processes* processes have run some."""
        seen: set[int] = set()
        deadline = time.monotonic() + _START_WITHIN_S
        while len(seen) < processes:
            if time.monotonic() > deadline:
                raise TimeoutError(f"tasks ran in {len(seen)} processes, not in {processes}")
            handles = [await self._one("send", "where", n) for n in range(_WARM_UP)]
            seen.update([await self._one("result", handle) for handle in handles])
        return {"processes": sorted(seen)}

    async def enqueue(self, task: str, count: int) -> dict[str, Any]:
        """Send *count* tasks one by one."""
        send, numbers = self._system.send, range(count)
        processor_s, began = time.process_time(), time.perf_counter()
        if inspect.iscoroutinefunction(send):
            handles = [await send(task, number) for number in numbers]
        else:
            handles = [send(task, number) for number in numbers]
        elapsed_s = time.perf_counter() - began
        return self._note(handles, elapsed_s, time.process_time() - processor_s)

    async def bulk(self, task: str, count: int) -> dict[str, Any]:
        """Send *count* tasks at once."""
        processor_s, began = time.process_time(), time.perf_counter()
        handles = await self._one("send_many", task, range(count))
        elapsed_s = time.perf_counter() - began
        return self._note(handles, elapsed_s, time.process_time() - processor_s)

    async def collect(self) -> dict[str, Any]:
        """Get every result of what was sent, and check it."""
        sent, self._sent = self._sent, []
        for start in range(0, len(sent), _BATCH):
            batch = sent[start : start + _BATCH]
            waits = [self._one("result", handle) for _, handle in batch]
            results = await asyncio.gather(*waits)
            if wrong := [(n, r) for (n, _), r in zip(batch, results, strict=True) if n != r]:
                raise AssertionError(f"wrong results of tasks: {wrong}")
        return {}

    async def forget(self) -> dict[str, Any]:
        """Expect no results of what was sent."""
        self._sent.clear()
        return {}

    async def round_trip(self, count: int) -> dict[str, Any]:
        """Send *count* tasks, each after the result of the one before."""
        send, result, waits_s = self._system.send, self._system.result, []
        call = getattr(self._system, "call", None)
        is_async = inspect.iscoroutinefunction(send)
        for number in range(count):
            began = time.perf_counter()
            if call:
                found = await call(number)
            elif is_async:
                found = await result(await send("noop", number))
            else:
                found = result(send("noop", number))
            waits_s.append(time.perf_counter() - began)
            if found != number:
                raise AssertionError(f"task {number} has the result {found!r}")
        return {"waits_s": waits_s}

    async def _one(self, name: str, *arguments: Any) -> Any:
        found = getattr(self._system, name)(*arguments)
        return await found if inspect.isawaitable(found) else found

    def _note(self, handles: Sequence[Any], elapsed_s: float, processor_s: float) -> dict[str, Any]:
        handles = [*handles]
        self._sent += enumerate(handles)
        keys = [*map(self._system.key, handles)]
        return {"elapsed_s": elapsed_s, "processor_s": processor_s, "keys": keys}


def _about(system: Any) -> dict[str, Any]:
    versions = {each.metadata["Name"]: each.version for each in distributions()}
    has_bulk = hasattr(system, "send_many")
    kept = getattr(system, "KEPT", "return redis.call('EXISTS', unpack(ARGV))")
    return {"versions": versions, "has_bulk": has_bulk, "left": system.LEFT, "kept": kept}


async def _serve(system: Any) -> None:
    client = Client(system)
    _answer(_about(system))
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = json.loads(line)
        try:
            _answer(await getattr(client, request.pop("act"))(**request))
        except Exception:
            _answer({"error": traceback.format_exc(limit=-4)})


async def _serve_async(system: Any) -> None:
    async with system.opened():
        await _serve(system)


def _answer(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    """Answer the runner until it closes its end."""
    system = import_module(sys.argv[1])
    if hasattr(system, "opened"):
        import_module("uvloop").run(_serve_async(system))
    else:
        asyncio.run(_serve(system))


if __name__ == "__main__":
    main()
