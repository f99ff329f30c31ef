"""`flask celery doctor`: what it finds, and what it advises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis
from command_line import CommandLine, wait_until
from flask import Flask

from flask_celeriac.cli.checks import access, redis_server
from flask_celeriac.cli.checks.finding import Finding

MakeShop = Callable[..., Flask]


def doctor(app: Flask, *words: str) -> Any:
    return app.test_cli_runner().invoke(args=["celery", "doctor", *words])


def findings(app: Flask) -> dict[str, dict[str, str]]:
    """The gravest finding of each check."""
    report = json.loads(doctor(app, "--json").stdout)
    order = ["ok", "warning", "error"]
    found: dict[str, dict[str, str]] = {}
    for finding in sorted(report["findings"], key=lambda f: order.index(f["level"])):
        found[finding["check"]] = finding
    return found


# The server.


@pytest.mark.parametrize(
    ("policy", "level"),
    [
        ("noeviction", "ok"),
        ("volatile-lru", "warning"),
        ("volatile-ttl", "warning"),
        ("allkeys-lru", "error"),
        ("allkeys-random", "error"),
    ],
)
def test_a_server_that_evicts_is_named(
    make_shop: MakeShop, server_setting: Callable[[str, str], None], policy: str, level: str
) -> None:
    server_setting("maxmemory-policy", policy)
    found = findings(make_shop())["redis.eviction"]
    assert found["level"] == level
    assert policy in found["says"]


def test_a_server_without_append_only_file_is_named(
    make_shop: MakeShop, server_setting: Callable[[str, str], None]
) -> None:
    assert findings(make_shop())["redis.persistence"]["level"] == "ok"
    server_setting("appendonly", "no")
    assert findings(make_shop())["redis.persistence"]["level"] == "warning"
    durable = make_shop(CELERIAC_REQUIRE_DURABLE=True)
    assert findings(durable)["redis.persistence"]["level"] == "error"
    server_setting("maxmemory-policy", "volatile-lru")
    assert findings(durable)["redis.eviction"]["level"] == "error"


def levels(name: str, **info: Any) -> dict[str, str]:
    found = redis_server.examine(name, info, require_durable=False)
    return {finding.check: finding.level for finding in found}


@pytest.mark.parametrize(
    ("name", "version", "level"),
    [
        ("Redis", "5.0.14", "error"),
        ("Redis", "6.2.19", "warning"),
        ("Redis", "6.2.20", "ok"),
        ("Redis", "7.0.15", "warning"),
        ("Redis", "7.2.11", "warning"),
        ("Redis", "8.2.1", "warning"),
        ("Redis", "8.6.2", "warning"),
        ("Redis", "8.6.3", "ok"),
        ("Valkey", "8.1.3", "warning"),
        ("Valkey", "8.1.4", "ok"),
        ("Valkey", "9.1.2", "ok"),
    ],
)
def test_versions_with_known_holes_are_named(name: str, version: str, level: str) -> None:
    key = "valkey_version" if name == "Valkey" else "redis_version"
    assert levels(name, **{key: version})["redis.version"] == level


def test_clusters_replicas_and_full_servers_are_named() -> None:
    assert levels("Redis", cluster_enabled=1)["redis.cluster"] == "error"
    assert levels("Redis", role="slave")["redis.role"] == "error"
    assert levels("Redis", used_memory=95, maxmemory=100)["redis.memory"] == "warning"
    assert levels("Redis", aof_enabled=1, aof_last_write_status="err") == {
        "redis.persistence": "error"
    }
    assert levels("Redis") == {"redis.info": "warning"}


def test_a_server_that_forbids_info_is_named(make_shop: MakeShop, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("ACL", "SETUSER", "mute", "on", ">pw", "~*", "&*", "+@all", "-info")
        place = redis_url.rpartition("@")[2]
        try:
            found = findings(make_shop(CELERY_BROKER_URL=f"redis://mute:pw@{place}"))
        finally:
            client.execute_command("ACL", "DELUSER", "mute")
    assert found["redis.info"]["level"] == "warning"
    assert found["broker"]["level"] == "ok"


def test_a_broker_that_is_down_is_an_error_and_the_rest_is_examined(
    make_shop: MakeShop, dead_url: str
) -> None:
    done = doctor(make_shop(CELERY_BROKER_URL=dead_url))
    assert done.exit_code == 1
    assert "can not be reached" in done.output
    assert "Safe defaults that hold" in done.output
    assert "canary" not in done.output


# The way to it.


class Stub:
    """Just what `access.examine` reads of the settings."""

    def __init__(self, broker_url: str, **celery: Any) -> None:
        self.broker_url, self.result_backend, self.celery = broker_url, None, celery


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        ("redis://127.0.0.1:6379/0", {}, {"broker.access": "ok"}),
        ("redis+socket:///run/redis.sock", {}, {"broker.access": "ok"}),
        ("redis://redis:6379/0", {}, {"broker.password": "warning", "broker.tls": "warning"}),
        ("redis://:pw@redis/0", {}, {"broker.password": "ok", "broker.tls": "warning"}),
        ("rediss://:pw@redis/0", {}, {"broker.password": "ok", "broker.tls": "ok"}),
        (
            "rediss://:pw@redis/0?ssl_cert_reqs=none",
            {},
            {"broker.password": "ok", "broker.tls": "warning"},
        ),
        (
            "redis://:pw@redis/0",
            {"broker_use_ssl": {"ssl_cert_reqs": "required"}},
            {"broker.password": "ok", "broker.tls": "ok"},
        ),
        ("amqp://guest:guest@mq//", {}, {"broker.password": "warning", "broker.tls": "warning"}),
        ("sqs://key:secret@", {}, {}),
    ],
)
def test_passwords_and_encryption_off_this_machine(
    url: str, options: dict[str, Any], expected: dict[str, str]
) -> None:
    settings: Any = Stub(url, **options)
    found = list(access.examine(settings))
    assert {finding.check: finding.level for finding in found} == expected
    assert not any("pw" in finding.says for finding in found)


# The configuration.


def test_a_schedule_that_names_an_unknown_task_is_an_error_with_the_nearest_name(
    make_shop: MakeShop,
) -> None:
    entry = {"task": "shop.mutliply", "schedule": 60.0}
    done = doctor(make_shop(CELERY_BEAT_SCHEDULE={"wrong": entry}))
    assert done.exit_code == 1
    assert "Write 'shop.multiply'" in done.output
    elsewhere = {"other": {"task": "elsewhere.unlike.anything", "schedule": 60.0}}
    assert findings(make_shop(CELERY_BEAT_SCHEDULE=elsewhere))["beat.task"]["level"] == "warning"
    right = {"right": {"task": "shop.multiply", "schedule": 60.0}}
    assert findings(make_shop(CELERY_BEAT_SCHEDULE=right))["beat.task"]["level"] == "ok"


def test_a_missing_result_backend_is_named(make_shop: MakeShop) -> None:
    found = findings(make_shop(CELERY_RESULT_BACKEND=None))
    assert found["results.backend"]["level"] == "warning"


def test_a_result_backend_that_is_down_is_an_error(make_shop: MakeShop, dead_url: str) -> None:
    found = findings(make_shop(CELERY_RESULT_BACKEND=dead_url))["results.backend"]
    assert found["level"] == "error"
    assert found["says"].startswith("The result backend redis://127.0.0.1:")
    assert "canary" not in found["says"]


def test_time_limits_that_the_pool_can_not_enforce_are_named(make_shop: MakeShop) -> None:
    app = make_shop(CELERY={"worker_pool": "threads", "task_time_limit": 60})
    found = findings(app)["tasks.time_limits"]
    assert found["level"] == "warning"
    assert "threads" in found["says"]
    assert "tasks.time_limits" not in findings(make_shop(CELERY={"task_time_limit": 60}))


def test_a_visibility_timeout_below_a_time_limit_is_an_error_where_leases_are_not_renewed(
    make_shop: MakeShop,
) -> None:
    options = {"visibility_timeout": 60}
    settings = {"task_time_limit": 600, "broker_transport_options": options}
    stock = findings(make_shop(CELERY=settings, CELERIAC_TRANSPORT="kombu"))
    assert stock["settings.visibility_timeout"]["level"] == "error"
    assert "settings.visibility_timeout" not in findings(make_shop(CELERY=settings))


def test_a_state_folder_that_a_probe_would_not_find_is_named(
    make_shop: MakeShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_shop(CELERIAC_STATE_DIR="/run/elsewhere")
    assert findings(app)["process.state_dir"]["level"] == "warning"
    monkeypatch.setenv("CELERIAC_STATE_DIR", "/run/elsewhere")
    assert "process.state_dir" not in findings(app)


def test_root_is_warned(make_shop: MakeShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert findings(make_shop())["process.user"]["level"] == "warning"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "process.user" not in findings(make_shop())


# What runs.


def test_a_queue_that_nobody_consumes_is_named(make_shop: MakeShop, line: CommandLine) -> None:
    worker = line.flask("worker", "-c", "1", "-P", "solo")
    worker.wait_for(" ready.")
    app = make_shop(CELERY_TASK_ROUTES={"shop.greet": {"queue": "low"}})
    found = findings(app)
    assert found["workers"]["level"] == "ok"
    assert found["queues"]["level"] == "warning"
    assert "'low'" in found["queues"]["says"]
    assert "-Q low" in found["queues"]["remedy"]


def test_two_beats_are_named(make_shop: MakeShop, line: CommandLine) -> None:
    config = json.dumps({"CELERY_BEAT_SCHEDULE": {"o": {"task": "shop.greet", "schedule": 600}}})
    for name in ("one", "two"):
        line.flask("beat", "-s", name, SHOP_CONFIG=config)
    wait_until(lambda: len(list(line.state.glob("beat-*.json"))) == 2)
    found = findings(make_shop())["beat.number"]
    assert found["level"] == "warning"
    assert "2 beats" in found["says"]


# The report.


def test_each_safe_default_comes_with_its_reason(make_shop: MakeShop) -> None:
    app = make_shop(CELERY_TASK_ACKS_LATE=False)
    profile = {a["key"]: a for a in json.loads(doctor(app, "--json").stdout)["profile"]}
    assert profile["task_acks_late"]["is_default"] is False
    assert profile["task_acks_late"]["value"] is False
    assert all(applied["reason"] for applied in profile.values())
    text = doctor(app).output
    ours, _, yours = text.partition("Safe defaults that you set otherwise")
    assert "worker_prefetch_multiplier = 1" in ours
    assert "task_acks_late = False" in yours


def test_warnings_alone_give_exit_code_0(make_shop: MakeShop) -> None:
    done = doctor(make_shop())
    assert "WARN" in done.output  # no worker answers
    assert done.exit_code == 0, done.output
    assert "\nno errors, " in done.output


def test_passwords_are_in_no_report(make_shop: MakeShop, redis_url: str) -> None:
    password = redis_url.partition("@")[0].rpartition(":")[2]
    for words in ((), ("--json",)):
        assert password not in doctor(make_shop(), *words).output


def test_a_finding_is_one_sentence_or_more_and_a_remedy() -> None:
    found = redis_server.examine("Redis", {"maxmemory_policy": "allkeys-lru"}, require_durable=True)
    for finding in found:
        assert isinstance(finding, Finding)
        assert finding.says.endswith(".")
        assert finding.level == "ok" or finding.remedy.endswith(".")
