"""huey on Redis lists; `PEERS_FLAVOUR=notify` tells waiters instead of letting them poll."""

from __future__ import annotations

import os
from typing import Any

from huey import RedisHuey

from benchmarks.peers.client import PATIENCE_S, URL
from benchmarks.peers.work import TASKS

LEFT = "return redis.call('LLEN', 'huey.redis.peers')"
KEPT = """
local kept = 0
for _, id in ipairs(ARGV) do kept = kept + redis.call('HEXISTS', 'huey.results.peers', id) end
return kept
"""

huey = RedisHuey("peers", url=URL, notify_result=os.environ.get("PEERS_FLAVOUR") == "notify")
_tasks = {name: huey.task(name=name)(function) for name, function in TASKS.items()}


def send(task: str, number: int) -> Any:
    return _tasks[task](number)


def result(handle: Any) -> Any:
    # The smallest pause that its documentation gives; without effect where waiters are told.
    return handle.get(blocking=True, timeout=PATIENCE_S, max_delay=0.01)


def key(handle: Any) -> str:
    return str(handle.id)
