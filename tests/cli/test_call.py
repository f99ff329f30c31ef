"""`flask celery call`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from command_line import CommandLine
from flask import Flask

MakeShop = Callable[..., Flask]


def call(app: Flask, *words: str) -> Any:
    return app.test_cli_runner().invoke(args=["celery", "call", *words])


def messages(url: str, queue: str = "celery") -> list[dict[str, Any]]:
    with redis.Redis.from_url(url) as client:
        return [json.loads(raw) for raw in client.lrange(queue, 0, -1)]


@pytest.fixture
def worker(line: CommandLine) -> Iterator[None]:
    started = line.flask("worker", "-c", "1", "-P", "threads")
    started.wait_for(" ready.")
    yield
    assert started.stop() == 0


def test_a_task_is_sent_and_its_id_printed(make_shop: MakeShop, redis_url: str) -> None:
    done = call(make_shop(), "shop.multiply", "[2, 3]", "--queue", "high")
    assert done.exit_code == 0, done.output
    [message] = messages(redis_url, "high")
    assert message["headers"]["id"] == done.stdout.strip()


def test_a_task_with_a_countdown_waits_in_redis(make_shop: MakeShop, redis_url: str) -> None:
    done = call(make_shop(), "shop.multiply", "[2, 3]", "--queue", "high", "--countdown", "5")
    assert done.exit_code == 0, done.output
    assert messages(redis_url, "high") == []
    with redis.Redis.from_url(redis_url) as client:
        [entry] = client.zrange("celeriac:1:delayed", 0, -1)
    queue, _, body = entry.split(b"\n", 2)
    headers = json.loads(body)["headers"]
    assert (queue, headers["id"]) == (b"high", done.stdout.strip())
    assert headers["eta"]


def test_wait_prints_the_result_as_json(make_shop: MakeShop, worker: None) -> None:
    app = make_shop()
    assert json.loads(call(app, "shop.multiply", "[2, 3]", "--wait").stdout) == 6
    by_name = call(app, "shop.multiply", '{"x": 4, "y": 5}', "--wait")
    assert json.loads(by_name.stdout) == 20
    both = call(app, "shop.multiply", "[4]", "--kwargs", '{"y": 7}', "--wait")
    assert json.loads(both.stdout) == 28
    nothing = call(app, "shop.greet", "--wait")
    assert json.loads(nothing.stdout) == {"hello": "you", "from": "shop"}


def test_a_task_that_fails_gives_its_error_and_exit_code_1(
    make_shop: MakeShop, worker: None
) -> None:
    done = call(make_shop(), "shop.fail", "--wait")
    assert done.exit_code == 1
    assert "FAILURE: ValueError: as asked" in done.stderr
    assert done.stdout == ""


def test_a_result_that_does_not_come_is_not_waited_for_longer(line: CommandLine) -> None:
    done = line.run("call", "shop.nap", "[1]", "--wait", "--timeout", "0.5")
    assert done.returncode == 1
    assert "No result within 0.5 s" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("[2, 3",), "ARGUMENTS is not JSON"),
        (("two",), "flask celery call app.tasks.multiply '[2, 3]'"),
        (("5",), "neither a JSON array nor an object"),
        (("[2]", "--kwargs", "[3]"), "--kwargs is not a JSON object"),
        (('{"x": 1}', "--kwargs", '{"y": 1}'), "given twice"),
        (("[2, 3]", "--countdown", "-1"), "countdown"),
    ],
)
def test_arguments_that_make_no_sense_come_with_an_example(
    make_shop: MakeShop, redis_url: str, words: tuple[str, ...], said: str
) -> None:
    done = call(make_shop(), "shop.multiply", *words)
    assert done.exit_code == 2
    assert said in done.output
    assert messages(redis_url) == []


def test_arguments_that_do_not_fit_the_task_are_not_sent(
    make_shop: MakeShop, redis_url: str
) -> None:
    done = call(make_shop(), "shop.multiply", "[2]")
    assert done.exit_code == 1
    assert "missing 1 required positional argument: 'y'" in done.output
    assert messages(redis_url) == []


@pytest.mark.parametrize("name", ["multiply", "shop.mutliply", "app.shop.multiply"])
def test_an_unknown_task_comes_with_near_names(
    make_shop: MakeShop, redis_url: str, name: str
) -> None:
    done = call(make_shop(), name, "[2, 3]")
    assert done.exit_code == 1
    assert "\n  shop.multiply\n" in done.output
    assert messages(redis_url) == []


def test_an_unknown_task_can_be_sent_by_force(make_shop: MakeShop, redis_url: str) -> None:
    done = call(make_shop(), "elsewhere.work", "[1]", "--force")
    assert done.exit_code == 0, done.output
    assert messages(redis_url)[0]["headers"]["task"] == "elsewhere.work"


def test_without_a_result_backend_there_is_nothing_to_wait_for(
    make_shop: MakeShop, redis_url: str
) -> None:
    done = call(make_shop(CELERY_RESULT_BACKEND=None), "shop.multiply", "[2, 3]", "--wait")
    assert done.exit_code == 1
    assert "CELERY_RESULT_BACKEND" in done.output
    assert messages(redis_url) == []


def test_a_broker_that_is_down_is_one_clear_line(make_shop: MakeShop, dead_url: str) -> None:
    app = make_shop(CELERY_BROKER_URL=dead_url, CELERY_RESULT_BACKEND=dead_url)
    done = call(app, "shop.multiply", "[2, 3]")
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "can not be reached: Connection refused" in done.output
    assert "canary" not in done.output


def test_an_eager_task_runs_here(make_shop: MakeShop, redis_url: str) -> None:
    app = make_shop(TESTING=True, CELERY_TASK_ALWAYS_EAGER=True)
    done = call(app, "shop.multiply", "[2, 3]", "--wait")
    assert json.loads(done.stdout) == 6
    assert messages(redis_url) == []
