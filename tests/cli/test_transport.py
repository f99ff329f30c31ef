"""`flask celery transport export`: the way back to Celery's own transport loses nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis
from command_line import CommandLine, wait_until
from flask import Flask
from letters_box import bury, messages_of, send, take

MakeShop = Callable[..., Flask]


def export(app: Flask, *words: str) -> Any:
    return app.test_cli_runner().invoke(args=["celery", "transport", "export", *words])


def fill(app: Flask) -> list[str]:
    """Put a message into every place that Celery's transport does not know; return their names."""
    names = []

    def add(name: str, task: str = "shop.greet", **options: Any) -> None:
        names.append(name)
        send(app, task, name, **options)

    for number in range(3):
        add(f"delayed-{number}", countdown=6)
    with messages_of(app) as store:
        for number in range(2):
            add(f"parked-{number}", "later.greet")
            store.park("parker", take(store, "parker"), "later.greet")
        store.leave("parker")
        for number in range(12):  # more dead processes than one look takes away
            add(f"claimed-{number}", queue="celery" if number else "high", priority=number % 10)
            who = f"dead-{number}"
            store.claim(who, {"high": True, "celery": True}, 1, lease_s=0.01)
        add("suspected", queue="odd")
        for _ in range(2):
            assert store.crash("crasher", take(store, "crasher", queue="odd")) is False
        store.leave("crasher")
        store.claim("idle", {"celery": True}, 0, lease_s=0.01)
    add("ready")
    return names


def test_what_only_our_transport_keeps_is_drained_by_a_stock_worker(
    make_shop: MakeShop, line: CommandLine, redis_url: str
) -> None:
    app = make_shop()
    names = fill(app)
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        wait_until(lambda: all(left_s <= 0 for left_s in leases(app).values()))
        done = export(app)
        assert done.exit_code == 0, done.output
        assert done.output.startswith(f"{len(names) - 1} messages moved")
        assert [key for key in client.scan_iter("celeriac:*") if holds_messages(key)] == []

        worker = line.start(
            "celery", "-A", "stock", "worker", "-c", "2", "-P", "threads", "-Q", "celery,high,odd"
        )
        wait_until(lambda: client.llen("ran") >= len(names), 30, worker.log.read_text)
        assert sorted(client.lrange("ran", 0, -1)) == sorted(names)
        worker.stop()
        assert client.llen("celery") == client.hlen("unacked") == 0


def leases(app: Flask) -> dict[str, float]:
    with messages_of(app) as store:
        found: dict[str, float] = store.leases()
    return found


def holds_messages(key: str) -> bool:
    return key.split(":")[2] not in ("seq", "token", "bell", "attempts", "left")


def test_a_living_worker_of_ours_is_named_and_nothing_moved(
    make_shop: MakeShop, line: CommandLine, redis_url: str
) -> None:
    app = make_shop()
    worker = line.flask("worker", "-c", "1", "-Q", "other")
    worker.wait_for(" ready.")
    send(app, "shop.greet", "you", countdown=60)
    wait_until(lambda: leases(app))
    done = export(app)
    assert done.exit_code == 1
    [said] = done.stderr.splitlines()
    assert f".{worker.process.pid}." in said
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen("celery") == 0
        forced = export(app, "--force")
        assert forced.stdout.startswith("1 message moved")
        assert f".{worker.process.pid}." in forced.stderr
        assert client.llen("celery") == 1
    assert worker.stop() == 0


def test_dead_letters_stay_and_are_named(make_shop: MakeShop) -> None:
    app = make_shop()
    bury(app, "shop.greet")
    done = export(app)
    assert done.stdout.startswith("0 messages moved")
    assert "1 dead letter left" in done.stderr


def test_a_broker_that_is_away_and_another_transport_are_one_line(
    make_shop: MakeShop, dead_url: str
) -> None:
    for config in ({"CELERY_BROKER_URL": dead_url}, {"CELERIAC_TRANSPORT": "kombu"}):
        done = export(make_shop(**config))
        assert done.exit_code == 1
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("transport", ["celeriac", "kombu"])
def test_status_counts_what_is_in_no_queue(make_shop: MakeShop, transport: str) -> None:
    app = make_shop()
    fill(app)
    bury(app, "shop.greet", queue="grave")
    asked = make_shop(CELERIAC_TRANSPORT=transport)
    as_json = asked.test_cli_runner().invoke(args=["celery", "status", "--json"])
    text = asked.test_cli_runner().invoke(args=["celery", "status"]).output
    elsewhere = json.loads(as_json.stdout)["elsewhere"]
    if transport == "kombu":
        assert elsewhere is None
        assert "delayed" not in text
    else:
        assert elsewhere == {"delayed": 3, "parked": 2, "claimed": 12, "dead": 1}
        assert "3 delayed, 2 parked, 12 claimed, 1 dead; see `flask celery dead list`" in text
    assert "celeriac-redis" not in text + as_json.stdout
