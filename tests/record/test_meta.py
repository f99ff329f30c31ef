"""What is stored of a task is what Celery stores, to the last field."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis
from celery import Celery
from celery.app.task import Context
from result_apps import MakeApp

_REQUEST = {
    "id": "a",
    "task": "add",
    "args": [1],
    "kwargs": {"b": 2},
    "hostname": "h",
    "retries": 1,
}


def stored(app: Celery, client: redis.Redis, state: str, about: dict[str, Any]) -> dict[str, Any]:
    result = ValueError("x") if state == "FAILURE" else {"sum": 3}
    app.backend.store_result("a", result, state, request=Context({**_REQUEST, **about}))
    meta: dict[str, Any] = json.loads(client.getdel("celery-task-meta-a") or "{}")
    date = meta.pop("date_done")
    return {**meta, "offset": date and date[26:]}


@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"result_extended": True},
        {"timezone": "Asia/Kolkata"},
        {"enable_utc": False, "timezone": "Asia/Kolkata"},
    ],
    ids=str,
)
@pytest.mark.parametrize("about", [{}, {"group": "g", "parent_id": "p"}], ids=str)
@pytest.mark.parametrize("state", ["SUCCESS", "FAILURE", "STARTED", "RETRY", "MINE"])
def test_it_is_the_same(
    make_app: MakeApp,
    client: redis.Redis,
    conf: dict[str, Any],
    about: dict[str, Any],
    state: str,
) -> None:
    ours, stock = make_app(**conf), make_app("stock", **conf)
    assert list(stored(ours, client, state, about)) == list(stored(stock, client, state, about))
    assert stored(ours, client, state, about) == stored(stock, client, state, about)
