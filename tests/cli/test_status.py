"""`flask celery status`."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from celery.schedules import crontab
from command_line import CommandLine
from flask import Flask

from flask_celeriac.cli import layout
from flask_celeriac.cli.schedule import in_words

MakeShop = Callable[..., Flask]

SCHEDULE = {
    "nightly": {"task": "shop.greet", "schedule": crontab(hour="4", minute="0")},
    "often": {"task": "shop.multiply", "schedule": 90.0, "args": [2, 3]},
}


def status(app: Flask, *words: str) -> Any:
    return app.test_cli_runner().invoke(args=["celery", "status", *words])


def test_programs_get_broker_workers_queues_and_beat(
    make_shop: MakeShop, line: CommandLine
) -> None:
    worker = line.flask("worker", "-c", "3", "-P", "threads", "-Q", "celery,high", "-n", "w@h")
    worker.wait_for("w@h ready.")
    app = make_shop(CELERY_BEAT_SCHEDULE=SCHEDULE)
    for _ in range(2):
        line.run("call", "shop.nap", "[5]")
    line.run("call", "shop.greet", "--queue", "low", "--force")
    done = status(app, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["broker"]["is_reachable"] is True
    assert found["broker"]["name"] in ("Redis", "Valkey")
    assert found["broker"]["version"]
    [seen] = found["workers"]
    assert (seen["name"], seen["pool"], seen["slots"], seen["busy"]) == ("w@h", "threads", 3, 2)
    assert seen["queues"] == ["celery", "high"]
    assert seen["pid"] == worker.process.pid
    assert {"name": "high", "messages": 0, "workers": 1} in found["queues"]
    names = [entry["name"] for entry in found["beat"]]
    assert sorted(names) == ["nightly", "often"]
    often = found["beat"][names.index("often")]
    assert often["schedule"] == "every 1 min 30 s"
    next_at = datetime.fromisoformat(often["next_at"])
    assert timedelta(0) < next_at - datetime.now(next_at.tzinfo) <= timedelta(seconds=91)


def test_the_depth_of_a_queue_that_nobody_consumes_is_shown(
    make_shop: MakeShop, line: CommandLine
) -> None:
    app = make_shop(CELERY_TASK_ROUTES={"shop.greet": {"queue": "low"}})
    line.run("call", "shop.greet", "--queue", "low")
    found = json.loads(status(app, "--json").stdout)
    assert {"name": "low", "messages": 1, "workers": 0} in found["queues"]


def test_people_get_a_table_that_lines_up(make_shop: MakeShop) -> None:
    done = status(make_shop(CELERY_BEAT_SCHEDULE=SCHEDULE))
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    for title in ("Broker", "Workers", "Queues", "Beat"):
        assert title in lines
    assert "  none answers: start one with `flask celery worker`" in lines
    head = next(line for line in lines if "entry" in line)
    row = next(line for line in lines if "0 4 * * *" in line)
    assert head.index("entry") == row.index("nightly")
    assert head.index("task") == row.index("shop.greet")


def test_passwords_are_masked(make_shop: MakeShop, redis_url: str) -> None:
    password = redis_url.partition("@")[0].rpartition(":")[2]
    for words in ((), ("--json",)):
        done = status(make_shop(), *words)
        assert password not in done.output
        assert "***" in done.output


def test_a_broker_that_is_down_is_told_within_three_seconds(
    make_shop: MakeShop, dead_url: str
) -> None:
    app = make_shop(CELERY_BROKER_URL=dead_url)
    before_s = time.monotonic()
    done = status(app)
    assert time.monotonic() - before_s < 3
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "can not be reached: Connection refused" in done.output
    assert "canary" not in done.output


def test_a_broker_that_is_silent_is_told_within_three_seconds(make_shop: MakeShop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        app = make_shop(CELERY_BROKER_URL=f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        before_s = time.monotonic()
        done = status(app)
    assert time.monotonic() - before_s < 3
    assert done.exit_code == 1
    assert "did not answer within 2 s" in done.output


def test_without_a_broker_the_way_to_get_one_is_named(make_shop: MakeShop) -> None:
    app = make_shop(CELERY_BROKER_URL=None, CELERY_RESULT_BACKEND=None, DEBUG=True)
    for words in (["status"], ["call", "shop.greet"], ["worker"], ["beat"], ["doctor"]):
        done = app.test_cli_runner().invoke(args=["celery", *words])
        assert done.exit_code == 1
        assert "flask celery up" in done.output
        assert done.exception is None or isinstance(done.exception, SystemExit)


def test_a_wrong_password_is_told_as_such(make_shop: MakeShop, redis_url: str) -> None:
    place = redis_url.rpartition("@")[2]
    done = status(make_shop(CELERY_BROKER_URL=f"redis://:canary@{place}"))
    assert done.exit_code == 1
    assert "refuses the password" in done.output
    assert "canary" not in done.output


def test_a_broker_that_is_down_is_json_for_programs(make_shop: MakeShop, dead_url: str) -> None:
    app = make_shop(CELERY_BROKER_URL=dead_url, CELERY_BEAT_SCHEDULE=SCHEDULE)
    done = status(app, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["broker"]["is_reachable"] is False
    assert "can not be reached" in found["broker"]["error"]
    assert found["workers"] == found["queues"] == []
    assert len(found["beat"]) == 2


def test_a_command_that_does_not_exist_comes_with_the_nearest(make_shop: MakeShop) -> None:
    done = make_shop().test_cli_runner().invoke(args=["celery", "statsu"])
    assert done.exit_code == 2
    assert "Did you mean 'status'?" in done.output


def test_the_group_lists_its_commands_without_importing_them(line: CommandLine) -> None:
    done = line.run("--help")
    assert done.returncode == 0
    for name in ("up", "worker", "beat", "status", "call", "doctor"):
        assert f"\n  {name} " in done.stdout


def test_durations_and_schedules_are_said_as_people_say_them() -> None:
    assert [layout.duration(s) for s in (0, 59, 61, 3600, 90000)] == [
        "0 s",
        "59 s",
        "1 min 1 s",
        "1 h",
        "1 d 1 h",
    ]
    assert in_words(crontab(minute="*/5", day_of_week="mon-fri")) == "*/5 * * * mon-fri"
