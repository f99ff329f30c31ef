"""How the demo is started: configuration, `.env`, run.sh, and Celery's own commands."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo_processes import DEMO, RUN_SH, Processes, broker, environment, free_port, get

CONFIGURATION = """{
    "broker": service.flask_app.config["CELERY_BROKER_URL"],
    "results": service.flask_app.config["CELERY_RESULT_BACKEND"],
    "debug": service.flask_app.debug,
    "celery": service.flask_app.extensions["celery"] is service.my_celery,
}"""
OF_COMPOSE = "redis://redis:6379/0"


def test_flask_env_chooses_the_configuration(ask_demo: Callable[..., Any]) -> None:
    for name in ("", "default", "development"):
        found = ask_demo(CONFIGURATION, FLASK_ENV=name)
        assert found == {"broker": None, "results": None, "debug": True, "celery": True}
    found = ask_demo(CONFIGURATION, FLASK_ENV="production")
    assert (found["broker"], found["results"]) == (OF_COMPOSE, OF_COMPOSE)
    assert not found["debug"]


@pytest.mark.parametrize("name", ["development", "production"])
def test_the_environment_names_the_broker(ask_demo: Callable[..., Any], name: str) -> None:
    given = {
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/1",
        "CELERY_RESULT_BACKEND": "redis://127.0.0.1:1/2",
    }
    found = ask_demo(CONFIGURATION, FLASK_ENV=name, **given)
    assert (found["broker"], found["results"]) == tuple(given.values())


def test_a_dot_env_file_is_read_when_there_is_one(
    ask_demo: Callable[..., Any], tmp_path: Path
) -> None:
    copy = shutil.copytree(DEMO, tmp_path / "copy", ignore=shutil.ignore_patterns("instance"))
    (copy / ".env").write_text("FLASK_ENV=production\nCELERY_BROKER_URL=redis://127.0.0.1:1/3\n")
    found = ask_demo(CONFIGURATION, folder=copy)
    assert (found["broker"], found["results"]) == ("redis://127.0.0.1:1/3", OF_COMPOSE)


def test_beat_sends_log_each_minute_and_the_tasks_are_found(ask_demo: Callable[..., Any]) -> None:
    entries, minutes, names, calc = ask_demo("""[
        [dict(entry, schedule="") for entry in service.my_celery.conf.beat_schedule.values()],
        [len(entry["schedule"].minute) for entry in service.my_celery.conf.beat_schedule.values()],
        [name for name in service.my_celery.tasks if name.startswith("app.")],
        [getattr(service.my_celery.tasks["app.tasks.calc"], name)
            for name in ("max_retries", "default_retry_delay", "time_limit")],
    ]""")
    assert entries == [{"task": "app.tasks.log", "args": ["log every 1 minutes"], "schedule": ""}]
    assert minutes == [60]
    assert sorted(names) == [
        f"app.tasks.{name}" for name in ("calc", "log", "multiply", "render_report")
    ]
    assert calc == [2, 5, 4]


def test_the_key_that_signs_cookies_is_given_or_made_anew(ask_demo: Callable[..., Any]) -> None:
    key = "service.flask_app.secret_key"
    assert ask_demo(key, SECRET_KEY="given") == "given"
    assert len({ask_demo(key), ask_demo(key)}) == 2


def test_create_app_takes_configuration_as_keywords(ask_demo: Callable[..., Any]) -> None:
    made = "__import__('app').create_app('default', CELERY_BROKER_URL='redis://127.0.0.1:1/4')"
    assert ask_demo(f"{made}.config['CELERY_BROKER_URL']") == "redis://127.0.0.1:1/4"


@pytest.mark.parametrize("words", [[], ["postgres"]])
def test_run_sh_names_its_roles_when_it_gets_no_known_one(words: list[str]) -> None:
    done = subprocess.run([RUN_SH, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 64
    assert "flask | celery-worker | celery-beat" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["flask", "--version"], "gunicorn"),
        (["celery-worker", "--help"], "--concurrency"),
        (["celery-beat", "--help"], "--schedule"),
    ],
)
def test_run_sh_passes_further_words_on(words: list[str], told: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [RUN_SH, *words],
        cwd=tmp_path,
        env=environment(FLASK_ENV="production"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, told in done.stdout) == (0, True), done.stderr


def test_run_sh_serves_with_flask_in_development_and_gunicorn_in_production(
    processes: Processes, redis_url: str
) -> None:
    servers = {}
    for name in ("development", "production"):
        address = processes.web(RUN_SH, "flask", FLASK_ENV=name, **broker(redis_url))
        page = get(address)
        assert page is not None
        servers[name] = page.headers["Server"]
    assert servers["development"].startswith("Werkzeug")
    assert servers["production"].startswith("gunicorn")


def test_each_role_of_run_sh_ends_in_order_when_asked(processes: Processes, redis_url: str) -> None:
    """`exec` in run.sh: the signal reaches the role, and not a shell that waits for it."""
    production = {"FLASK_ENV": "production", **broker(redis_url)}
    port = {"FLASK_RUN_HOST": "127.0.0.1", "FLASK_RUN_PORT": "0"}
    web = processes.start([RUN_SH, "flask"], **production, **port)
    web.wait_for("Booting worker")
    worker = processes.worker(RUN_SH, "celery-worker", "--concurrency", "1", **production)
    schedule = str(processes.scratch / "schedule")
    beat = processes.start(
        [RUN_SH, "celery-beat", "--loglevel", "INFO", "--schedule", schedule], **production
    )
    beat.wait_for("beat: Starting")
    assert [web.stop(), worker.stop(), beat.stop()] == [0, 0, 0]


@pytest.mark.parametrize("target", ["service:my_celery", "service.my_celery"])
def test_celery_s_own_commands_take_the_demo(
    processes: Processes, redis_url: str, target: str
) -> None:
    celery = ["celery", "-A", target]
    worker = processes.worker(*celery, "worker", "--pool", "solo", **broker(redis_url))
    schedule = str(processes.scratch / "schedule")
    beat = processes.start(
        [*celery, "beat", "--loglevel", "INFO", "--schedule", schedule], **broker(redis_url)
    )
    beat.wait_for("beat: Starting")
    assert "app.tasks.multiply" in worker.output
    assert beat.stop() == 0
    assert worker.stop() == 0


def test_up_brings_a_server_of_its_own_and_runs_the_whole_demo(
    processes: Processes, tmp_path: Path
) -> None:
    without_instance = shutil.ignore_patterns("instance", ".env")
    processes.folder = shutil.copytree(DEMO, tmp_path / "copy", ignore=without_instance)
    port = str(free_port())
    up = processes.start(["flask", "--app", "service", "celery", "up", "--port", port])
    up.wait_for("Ready:")
    hello = get(f"http://127.0.0.1:{port}/api/v1/hello-world")
    assert hello is not None
    assert hello.json() == {"info": "hello world"}
    assert up.stop(within_s=20) in (0, 128 + signal.SIGTERM, -signal.SIGTERM)
