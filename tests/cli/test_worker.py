"""`flask celery worker`, and the same worker without `flask`."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
import redis
from command_line import CommandLine, wait_until


def test_every_option_of_celerys_worker_passes_through(line: CommandLine) -> None:
    options = ("-Q", "high,low", "-c", "3", "--pool", "threads", "-l", "debug", "-E", "-n", "w@h")
    worker = line.flask("worker", "--processes", "1", *options)
    worker.wait_for("w@h ready.")
    log = worker.log.read_text()
    for sign in (".> high ", ".> low ", "concurrency: 3 (threads)", "task events: ON", "DEBUG/"):
        assert sign in log
    assert "main " not in log, "one worker needs no supervisor"
    assert "transport:   redis://:**@" in log
    assert "celeriac-redis" not in log
    wait_until(lambda: line.is_healthy("worker"))
    assert worker.stop() == 0
    assert not list(line.state.iterdir())


def test_the_level_is_info_unless_said_otherwise(line: CommandLine) -> None:
    worker = line.flask("worker", "-c", "1")
    worker.wait_for("INFO/MainProcess] celery@")
    quiet = line.flask("worker", "-c", "1", "-El", "error", "-n", "quiet@h")
    wait_until(lambda: len(list(line.state.glob("worker-*.json"))) == 2)
    assert "INFO/" not in quiet.log.read_text()
    assert quiet.stop() == worker.stop() == 0


def test_help_is_celerys_own(line: CommandLine) -> None:
    done = line.run("worker", "--help")
    assert done.returncode == 0
    assert "worker [OPTIONS]" in done.stdout
    assert "--max-tasks-per-child" in done.stdout
    assert "--processes <workers>" in done.stdout
    assert "--autoscale and rate limits count for each of them" in " ".join(done.stdout.split())


@pytest.mark.parametrize("role", ["worker", "beat"])
def test_help_needs_no_broker(line: CommandLine, role: str) -> None:
    config = json.dumps({"DEBUG": True, "CELERY_BROKER_URL": None, "CELERY_RESULT_BACKEND": None})
    done = line.run(role, "--help", SHOP_CONFIG=config)
    assert done.returncode == 0, done
    assert f"{role} [OPTIONS]" in done.stdout


def test_an_option_that_celery_does_not_know_is_a_usage_error(line: CommandLine) -> None:
    done = line.run("worker", "--concurency", "3")
    assert done.returncode == 2
    assert "--concurrency" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_exit_code_is_the_workers(line: CommandLine, dead_url: str) -> None:
    config = json.dumps({"CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": False})
    done = line.run("worker", "-c", "1", SHOP_URL=dead_url, SHOP_CONFIG=config)
    assert done.returncode == 1, done
    assert "canary" not in done.stdout + done.stderr


def test_a_worker_of_the_celery_command_keeps_its_state_file_too(line: CommandLine) -> None:
    (line.folder / "service.py").write_text(
        "from shop import create_app\nflask_app = create_app()\n"
        "my_celery = flask_app.extensions['celery']\n"
    )
    worker = line.start("celery", "-A", "service:my_celery", "worker", "-c", "1", "-l", "info")
    worker.wait_for(" ready.")
    wait_until(lambda: line.is_healthy("worker"))
    done = line.run("call", "shop.greet", '["a worker"]', "--wait")
    assert json.loads(done.stdout) == {"hello": "a worker", "from": "shop"}
    assert worker.stop() == 0


def test_tasks_do_not_inherit_the_context_of_the_command_line(line: CommandLine) -> None:
    (line.folder / "peek.py").write_text(
        "from shop import celeriac, create_app\n"
        "from celery.signals import worker_ready\nfrom flask import has_app_context\n"
        "app = create_app()\n"
        "@worker_ready.connect\n"
        "def tell(**_): print(f'context={has_app_context()}')\n"
    )
    for pool in ("solo", "gevent"):
        worker = line.start("flask", "--app", "peek", "celery", "worker", "-P", pool, "-n", pool)
        worker.wait_for("context=")
        assert "context=False" in worker.log.read_text()
        assert worker.stop() == 0


def test_a_green_pool_is_patched_before_the_app_is_imported(line: CommandLine) -> None:
    (line.folder / "green.py").write_text(
        "from gevent.monkey import is_module_patched\n"
        "print('patched:', is_module_patched('socket'), flush=True)\n"
        "from shop import create_app\napp = create_app()\n"
    )
    command = ("flask", "--app", "green", "celery", "worker", "--pool=gevent", "-c", "7")
    worker = line.start(*command)
    worker.wait_for(" ready.")
    assert "patched: True" in worker.log.read_text()
    assert "concurrency: 7 (gevent)" in worker.log.read_text()
    wait_until(lambda: line.is_healthy("worker"))
    assert worker.stop() == 0


POOLS = ("prefork", "threads", "gevent", "solo")


def nap_until(line: CommandLine, number: signal.Signals, **environment: str) -> float:
    """Signal a worker in the middle of a task of a minute; returns the seconds until its end."""
    pool = environment.pop("POOL", "prefork")
    worker = line.flask("worker", "-c", "1", "-P", pool, **environment)
    worker.wait_for(" ready.")
    assert line.run("call", "shop.nap", "[60]", SHOP_CONFIG="{}").returncode == 0
    worker.wait_for("received")
    began_s = time.monotonic()
    worker.process.send_signal(number)
    assert worker.process.wait(timeout=20) == 0, worker.log.read_text()
    return time.monotonic() - began_s


def claims_and_depth(url: str) -> tuple[list[bytes], int]:
    with redis.Redis.from_url(url) as client:
        kept = [
            *client.scan_iter("celeriac:*:claims:*"),
            *client.zrange("celeriac:1:workers", 0, 9),
        ]
        assert {int(count) for count in client.hvals("celeriac:1:attempts")} <= {0}
        return kept, client.llen("celery")


@pytest.mark.parametrize("pool", POOLS)
def test_on_sigterm_a_task_that_takes_too_long_is_given_back(
    line: CommandLine, redis_url: str, pool: str
) -> None:
    config = json.dumps({"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 2})
    took_s = nap_until(line, signal.SIGTERM, POOL=pool, SHOP_CONFIG=config)
    assert 2 <= took_s < 10
    assert claims_and_depth(redis_url) == ([], 1)


@pytest.mark.parametrize("words", [(signal.SIGQUIT, ""), (signal.SIGTERM, "SIGQUIT")])
def test_celerys_own_soft_shutdown_gives_back_too(
    line: CommandLine, redis_url: str, words: tuple[signal.Signals, str]
) -> None:
    config = json.dumps({"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 1.0})
    nap_until(line, words[0], SHOP_CONFIG=config, REMAP_SIGTERM=words[1])
    assert claims_and_depth(redis_url) == ([], 1)


def test_on_celerys_transport_the_soft_shutdown_gives_back_too(
    line: CommandLine, redis_url: str
) -> None:
    config = {"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 1.0, "CELERIAC_TRANSPORT": "kombu"}
    nap_until(line, signal.SIGQUIT, SHOP_CONFIG=json.dumps(config))
    assert claims_and_depth(redis_url) == ([], 1)


@pytest.mark.parametrize("pool", POOLS)
def test_on_sigterm_a_task_that_ends_in_time_is_waited_for_and_no_longer(
    line: CommandLine, redis_url: str, pool: str
) -> None:
    worker = line.flask("worker", "-c", "1", "-P", pool)
    worker.wait_for(" ready.")
    assert line.run("call", "shop.nap", "[2]").returncode == 0
    worker.wait_for("received")
    began_s = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began_s < 12
    assert claims_and_depth(redis_url) == ([], 0)
    assert "succeeded" in worker.log.read_text()


@pytest.mark.skipif(os.name != "posix", reason="daemons are of Unix")
def test_a_worker_detaches_itself(line: CommandLine) -> None:
    pid_file = line.folder / "worker.pid"
    log = line.folder / "worker.log"
    done = line.run("worker", "-D", "-c", "1", f"--pidfile={pid_file}", f"--logfile={log}")
    assert done.returncode == 0, done
    wait_until(pid_file.exists)
    pid = int(pid_file.read_text())
    try:
        wait_until(lambda: log.exists() and " ready." in log.read_text())
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not pid_file.exists())
