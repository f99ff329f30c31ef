"""`flask celery dead`: look at dead letters, run them again, delete them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis
from command_line import CommandLine
from flask import Flask
from letters_box import bury, messages_of, take

MakeShop = Callable[..., Flask]
CANARY = "canary-argument"


@pytest.fixture
def shop(make_shop: MakeShop) -> Flask:
    return make_shop()


def dead(app: Flask, *words: str, **options: Any) -> Any:
    return app.test_cli_runner().invoke(args=["celery", "dead", *words], **options)


def listed(app: Flask, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(dead(app, "list", "--json", *words).stdout)["dead"]
    return found


def test_people_get_a_table_without_arguments(shop: Flask) -> None:
    first = bury(shop, "shop.greet", CANARY, reason="its process ended while it ran, 3 times")
    second = bury(shop, "shop.multiply", 2, 3, queue="high")
    done = dead(shop, "list")
    assert done.exit_code == 0, done.output
    head, *rows = done.output.splitlines()
    assert head.split() == ["number", "task", "id", "queue", "attempts", "age", "reason"]
    assert [int(row.split()[0]) for row in rows] == [second, first]
    assert "its process ended while it ran, 3 times" in rows[1]
    assert CANARY not in done.output


def test_programs_get_the_same_and_the_total(shop: Flask) -> None:
    bury(shop, "shop.greet", CANARY)
    number = bury(shop, "shop.multiply", queue="high")
    done = dead(shop, "list", "--json", "--limit", "1")
    report = json.loads(done.stdout)
    assert report["total"] == 2
    [letter] = report["dead"]
    assert letter.keys() == {"number", "task", "id", "queue", "reason", "attempts", "died_at"}
    assert (letter["number"], letter["task"], letter["queue"]) == (number, "shop.multiply", "high")
    assert CANARY not in dead(shop, "list", "--json").stdout


def test_a_list_can_be_narrowed(shop: Flask) -> None:
    greet, multiply = bury(shop, "shop.greet"), bury(shop, "shop.multiply", queue="high")
    assert [letter["number"] for letter in listed(shop, "--task", "shop.greet")] == [greet]
    assert [letter["number"] for letter in listed(shop, "--queue", "high")] == [multiply]
    assert "1 of 2 shown." in dead(shop, "list", "--queue", "high").output


def test_an_empty_list_says_so(shop: Flask) -> None:
    assert dead(shop, "list").output == "There are no dead letters.\n"


def test_show_tells_why_and_hides_arguments_until_asked(shop: Flask) -> None:
    number = bury(shop, "shop.greet", CANARY, reason="can not be decoded")
    short = dead(shop, "show", str(number))
    assert short.exit_code == 0, short.output
    assert "can not be decoded" in short.output
    assert "shop.greet" in short.output
    assert CANARY not in short.output
    assert CANARY in dead(shop, "show", str(number), "--body").output


def test_what_can_not_be_read_is_shown_as_bytes_and_steers_no_terminal(
    shop: Flask, redis_url: str
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.lpush("celery", b"\x1b[2Jnot \xff JSON\n")
    with messages_of(shop) as store:
        number = take(store, "undertaker")
        store.reject("undertaker", number, "unreadable: \x1b[31mred")
    assert dead(shop, "list").exit_code == 0
    done = dead(shop, "show", str(number), "--body")
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    assert "\\x1b[2Jnot \\xff JSON" in done.output


def test_a_replayed_letter_runs(shop: Flask, line: CommandLine) -> None:
    number = bury(shop, "shop.multiply", 6, 7)
    [letter] = listed(shop)
    done = dead(shop, "replay", str(number))
    assert done.output == "1 message ready again.\n"
    worker = line.flask("worker", "-c", "1", "-P", "threads")
    assert shop.extensions["celery"].AsyncResult(letter["id"]).get(timeout=20) == 42
    assert worker.stop() == 0
    assert listed(shop) == []


def test_replay_publishes_each_time_it_is_asked(shop: Flask, redis_url: str) -> None:
    number = bury(shop, "shop.greet")
    for _ in range(2):
        assert dead(shop, "replay", str(number)).exit_code == 0
        with messages_of(shop) as store:
            number = take(store, "undertaker")
            store.reject("undertaker", number, "again")
    with redis.Redis.from_url(redis_url) as client:
        assert client.zcard("celeriac:1:dead") == 1


def test_all_of_a_task_or_a_queue_can_be_replayed_the_eldest_first(
    shop: Flask, redis_url: str
) -> None:
    for number in range(3):
        bury(shop, "shop.greet", str(number), queue="high")
    bury(shop, "shop.greet")
    bury(shop, "shop.multiply", queue="high")
    words = ("--all", "--task", "shop.greet", "--queue", "high")
    assert dead(shop, "replay", *words).output == "3 messages ready again.\n"
    with redis.Redis.from_url(redis_url) as client:
        taken = [json.loads(client.rpop("high"))["headers"]["argsrepr"] for _ in range(3)]
        assert client.llen("high") == client.llen("celery") == 0
    assert taken == ["('0',)", "('1',)", "('2',)"]
    assert len(listed(shop)) == 2


def test_discard_asks_unless_told(shop: Flask) -> None:
    first, second = bury(shop, "shop.greet"), bury(shop, "shop.greet")
    refused = dead(shop, "discard", str(first), input="n\n")
    assert refused.exit_code == 1
    assert "Delete 1 dead letter for good?" in refused.output
    assert len(listed(shop)) == 2
    assert dead(shop, "discard", str(first), input="y\n").exit_code == 0
    assert [letter["number"] for letter in listed(shop)] == [second]
    assert dead(shop, "discard", "--all", "--yes").output == "1 dead letter deleted.\n"
    assert listed(shop) == []


@pytest.mark.parametrize("words", [("show", "9"), ("replay", "9"), ("discard", "9", "--yes")])
def test_an_unknown_number_changes_nothing(shop: Flask, words: tuple[str, ...]) -> None:
    number = bury(shop, "shop.greet")
    if words[0] != "show":
        words = (*words, str(number))
    done = dead(shop, *words)
    assert done.exit_code == 1
    [said] = done.stderr.splitlines()
    assert "No dead letter has the number 9" in said
    assert len(listed(shop)) == 1


@pytest.mark.parametrize(
    "words", [("replay",), ("replay", "1", "--all"), ("replay", "1", "--task", "shop.greet")]
)
def test_which_letters_are_meant_must_be_clear(shop: Flask, words: tuple[str, ...]) -> None:
    assert dead(shop, *words).exit_code == 2


def test_a_broker_that_is_away_is_one_line(make_shop: MakeShop, dead_url: str) -> None:
    done = dead(make_shop(CELERY_BROKER_URL=dead_url), "list")
    assert done.exit_code == 1
    [said] = done.stderr.splitlines()
    assert "celeriac-" not in said
    assert "canary" not in said


def test_another_transport_is_one_line(make_shop: MakeShop) -> None:
    done = dead(make_shop(CELERIAC_TRANSPORT="kombu"), "list")
    assert done.exit_code == 1
    [said] = done.stderr.splitlines()
    assert "CELERIAC_TRANSPORT" in said
    assert "redis://:**" in said
