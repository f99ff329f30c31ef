"""A worker does not start on a Redis that may delete messages."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from command_line import CommandLine, wait_until
from flask import Flask

from flask_celeriac.embedded.binary import find_binary
from flask_celeriac.transport.redis.safety import judge

Change = Callable[[str, str], None]

POLICIES = {
    "noeviction": "",
    **dict.fromkeys(["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"], "durable"),
    **dict.fromkeys(["allkeys-lru", "allkeys-lfu", "allkeys-random"], "always"),
}


@pytest.mark.parametrize(("policy", "refused"), POLICIES.items())
def test_each_policy_is_judged_on_a_real_server(
    redis_url: str, server_setting: Change, policy: str, refused: str
) -> None:
    server_setting("maxmemory-policy", policy)
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        info = client.info()
    by_default, durable = (
        [remark.check for remark in judge(info, require_durable=wish) if remark.is_refused]
        for wish in (False, True)
    )
    assert by_default == (["redis.eviction"] if refused == "always" else [])
    assert durable == (["redis.eviction"] if refused else [])


def refusal(line: CommandLine, **config: object) -> str:
    """Start a worker that is to refuse; returns its one line."""
    worker = line.flask("worker", "-c", "1", SHOP_CONFIG=json.dumps(config))
    assert worker.process.wait(timeout=30) == os.EX_CONFIG, worker.log.read_text()
    log = worker.log.read_text()
    assert "Traceback" not in log
    [said] = [text for text in log.splitlines() if "CRITICAL" in text]
    return said


@pytest.mark.parametrize(
    ("version", "refused"),
    [("6.0.16", ["redis.version"]), ("5.0", ["redis.version"]), ("6.2.14", []), ("7.2.4", [])],
)
def test_a_server_that_lacks_commands_is_refused(version: str, refused: list[str]) -> None:
    info = {"redis_version": version, "maxmemory_policy": "noeviction", "aof_enabled": 1}
    found = judge(info, require_durable=True)
    assert [remark.check for remark in found if remark.is_refused] == refused


def test_a_worker_refuses_a_server_that_evicts(line: CommandLine, server_setting: Change) -> None:
    server_setting("maxmemory-policy", "allkeys-lru")
    said = refusal(line)
    assert "allkeys-lru" in said
    assert "Set maxmemory-policy noeviction" in said


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [("maxmemory-policy", "volatile-lru", "volatile-lru"), ("appendonly", "no", "append-only")],
)
def test_what_a_restart_may_lose_is_warned_about_and_refused_where_it_must_last(
    line: CommandLine, server_setting: Change, name: str, value: str, word: str
) -> None:
    server_setting(name, value)
    worker = line.flask("worker", "-c", "1")
    worker.wait_for(" ready.")
    [said] = [text for text in worker.log.read_text().splitlines() if "WARNING" in text]
    assert word in said
    assert worker.stop() == 0
    assert word in refusal(line, CELERIAC_REQUIRE_DURABLE=True)


def test_a_safe_server_is_not_talked_about(line: CommandLine) -> None:
    worker = line.flask("worker", "-c", "1", SHOP_CONFIG='{"CELERIAC_REQUIRE_DURABLE": true}')
    worker.wait_for(" ready.")
    assert "maxmemory" not in worker.log.read_text()
    assert "append-only" not in worker.log.read_text()
    assert worker.stop() == 0


@pytest.fixture
def cluster_url(tmp_path: Path, redis_server: object) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", ""]
    binary = str(find_binary().path)
    server = subprocess.Popen([binary, *words], cwd=tmp_path, stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    with redis.Redis.from_url(url) as client:

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

        wait_until(answers)
        slots = [str(slot) for slot in range(16384)]
        client.execute_command("CLUSTER", "ADDSLOTS", *slots)
        wait_until(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"))
    yield url
    server.kill()
    server.wait()


def test_a_cluster_is_refused(
    line: CommandLine, make_shop: Callable[..., Flask], cluster_url: str
) -> None:
    said = refusal(line, CELERY_BROKER_URL=cluster_url, CELERY_RESULT_BACKEND=None)
    assert "Redis Cluster" in said
    app = make_shop(CELERY_BROKER_URL=cluster_url, CELERY_RESULT_BACKEND=None)
    done = app.test_cli_runner().invoke(args=["celery", "doctor"])
    assert done.exit_code == 1
    assert "Redis Cluster" in done.output, done.exception
    status = app.test_cli_runner().invoke(args=["celery", "status"])
    assert (status.exit_code, len(status.stderr.splitlines())) == (1, 1), status.exception


def test_a_user_with_the_documented_rights_can_do_all(
    line: CommandLine, make_shop: Callable[..., Flask], redis_url: str
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "keys.md").read_text()
    [rights] = re.findall(r"`(\+@read [^`]*)`", text)
    words = ("on", ">pw", "~*", "&*", *rights.split())
    url = f"redis://few:pw@{redis_url.rpartition('@')[2]}"
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("ACL", "SETUSER", "few", *words)
        try:
            worker = line.flask("worker", "-c", "1", SHOP_URL=url)
            worker.wait_for(" ready.")
            app = make_shop(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
            run = app.test_cli_runner().invoke
            done = run(args=["celery", "call", "shop.multiply", "[6, 7]", "--wait"])
            assert done.stdout == "42\n", done.output
            for command in (["status"], ["dead", "list"], ["transport", "export", "--force"]):
                assert run(args=["celery", *command]).exit_code == 0
            assert worker.stop() == 0
        finally:
            client.execute_command("ACL", "DELUSER", "few")
