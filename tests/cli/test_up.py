"""`flask celery up` from outside: it starts everything, and leaves nothing behind."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis
from up_runner import Up, is_gone, make_project, one_of

from flask_celeriac.embedded import EmbeddedServer

WaitUntil = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path, redis_server: EmbeddedServer) -> Path:
    """A project without a broker; skipped with `redis_server` when there is no binary."""
    return make_project(tmp_path)


def is_worker(command: str) -> bool:
    return "celery worker" in command and "guard.py" not in command


def test_up_starts_everything_and_ctrl_c_stops_it(project: Path) -> None:
    with Up(project, "--port", "0", "--concurrency", "1") as up:
        address = up.wait_until_ready()
        assert up.get("/greet") == "hello web"
        up.wait_for(r"^worker \| .*greeted")
        up.wait_for(r"^beat   \| .*Sending due task")
        up.wait_for(rf"^redis  \| (Valkey|Redis) [\d.]+ at .*{re.escape(str(project))}")
        up.wait_for(rf"^web    \| answers at {address}")
        family = up.family()

        returncode, took_s = up.stop()

        assert (returncode, up.lines[-1]) == (0, "up     | Everything has stopped.")
        assert took_s < 10
        assert all(map(is_gone, family))
    assert all("\x1b" not in line and "KNOCK" not in line for line in up.lines)
    assert all(re.match(r"(up|redis|web|beat|worker) +\| ", line) for line in up.lines)
    assert {path.name for path in project.iterdir()} == {"app", "instance"}


def test_nothing_outlives_a_killed_up(project: Path, wait_until: WaitUntil) -> None:
    with Up(project, "--port", "0", "--concurrency", "2", "--workers", "2") as up:
        up.get("/sleep")
        sleeper = psutil.Process(int(up.wait_for(r"asleep (\d+)")[1]))
        family = up.family()
        assert sleeper in family
        assert sum(is_worker(command) for command in family.values()) >= 6

        up.process.kill()

        wait_until(lambda: all(map(is_gone, family)), 3.0)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_running_task_is_given_back_and_runs_again(project: Path, pool: str) -> None:
    with Up(project, "--port", "0", "--concurrency", "1", "--pool", pool) as up:
        up.get("/sleep")
        up.wait_for(r"asleep")
        returncode, took_s = up.stop(signal.SIGTERM)
        assert returncode == 0
        assert took_s < 10
    with (
        EmbeddedServer(project / "instance" / "celeriac") as server,
        redis.Redis.from_url(server.url) as client,
    ):
        assert not list(client.scan_iter("celeriac:*:claims:*"))
        assert {int(count) for count in client.hvals("celeriac:1:attempts")} <= {0}
        waiting = client.lrange("celery", 0, -1)
    assert sum(b"app.tasks.sleep" in message for message in waiting) == 1

    with Up(project, "--no-web", "--concurrency", "1", "--pool", pool) as up:
        up.wait_for(r"asleep")


def test_a_task_that_was_running_when_up_was_killed_runs_again(project: Path) -> None:
    with Up(project, "--port", "0", "--concurrency", "1") as up:
        up.get("/sleep")
        up.wait_for(r"asleep")
        up.process.kill()
    with Up(project, "--no-web", "--concurrency", "1") as up:
        up.wait_for(r"^up .* cut short and given back")
        up.wait_for(r"asleep")


def test_a_task_that_ends_soon_is_waited_for_and_no_longer(project: Path) -> None:
    tasks = project / "app" / "tasks.py"
    tasks.write_text(tasks.read_text().replace("time.sleep(300)", "time.sleep(2)\n    print('up')"))
    with Up(project, "--port", "0", "--no-beat", "--concurrency", "1") as up:
        up.get("/sleep")
        up.wait_for(r"asleep")
        returncode, took_s = up.stop()
        assert returncode == 0
        assert took_s < 7
        assert any("sleep[" in line and "succeeded" in line for line in up.lines)


def test_a_second_ctrl_c_stops_at_once(project: Path, wait_until: WaitUntil) -> None:
    with Up(project, "--port", "0", "--concurrency", "1") as up:
        up.get("/sleep")
        up.wait_for(r"asleep")
        family = up.family()
        up.process.send_signal(signal.SIGINT)
        up.wait_for("Running tasks may end")

        returncode, took_s = up.stop()

        assert returncode == 130
        assert took_s < 3
        # The guards end, after `up` itself, what their killed commands had started.
        wait_until(lambda: all(map(is_gone, family)), 5.0)


def test_a_crashed_worker_is_named_and_comes_back(project: Path) -> None:
    with Up(project, "--no-web", "--no-beat", "--concurrency", "1") as up:
        up.wait_until_ready()
        seen = len(up.lines)
        one_of(up.family(), is_worker).kill()

        up.wait_for(r"^up .* worker was killed by SIGKILL; starts again in 1 s", after=seen)
        up.wait_for(r"@\S+ ready\.", after=seen)


def test_a_crashed_server_is_named_and_comes_back_for_its_clients(project: Path) -> None:
    with Up(project, "--port", "0", "--no-beat", "--concurrency", "1") as up:
        assert up.get("/greet") == "hello web"
        seen = len(up.lines)
        one_of(up.family(), lambda c: "-server 127" in c).kill()

        up.wait_for(r"redis was killed by SIGKILL; starts again in 1 s", after=seen)
        up.wait_for(r"^redis .* runs again at", after=seen)
        assert up.get("/greet") == "hello web"


def test_workers_take_their_number_and_pool_from_the_command_line(project: Path) -> None:
    options = ("--no-web", "--no-beat", "--no-reload", "--workers", "2", "--pool", "threads")
    with Up(project, *options, "--concurrency", "3") as up:
        assert up.wait_until_ready() == ""
        up.wait_for(r"^worker-1 \| .*worker-1@\S+ ready")
        up.wait_for(r"^worker-2 \| .*worker-2@\S+ ready")
        commands = [command for command in up.family().values() if is_worker(command)]
        assert len(commands) == 2
        assert all("--pool threads" in c and "--concurrency 3" in c for c in commands)


def test_a_configured_broker_is_used_and_no_server_started(project: Path, redis_url: str) -> None:
    with Up(project, "--port", "0", "--concurrency", "1", FLASK_CELERY_BROKER_URL=redis_url) as up:
        up.wait_until_ready()
        up.wait_for(r"^up +\| broker redis://:\*+@127\.0\.0\.1")
        assert not any("-server 127" in command for command in up.family().values())
    assert redis_url.split("@")[0].split(":")[2] not in "\n".join(up.lines)


def test_a_second_up_in_one_folder_says_who_runs(project: Path) -> None:
    with Up(project, "--port", "0", "--no-beat", "--concurrency", "1") as first:
        address = first.wait_until_ready()
        with Up(project, "--port", address.rpartition(":")[2]) as second:
            assert second.finish() == 1
        assert len(second.lines) == 1
        assert (
            f"already runs for this app (process {first.process.pid}, {address})"
            in (second.lines[0])
        )
        assert first.process.poll() is None


def test_up_can_be_started_again_right_after_it_was_killed(project: Path) -> None:
    with Up(project, "--port", "0", "--concurrency", "1") as up:
        port = up.wait_until_ready().rpartition(":")[2]
        up.process.kill()
        up.process.wait()
        with Up(project, "--port", port, "--concurrency", "1") as again:
            assert again.get("/greet") == "hello web"


def test_ctrl_c_on_a_terminal_reaches_up_alone_and_lines_have_colours(project: Path) -> None:
    parent_fd, child_fd = pty.openpty()
    command = [sys.executable, "-m", "flask", "--app", "app", "celery", "up"]
    process = subprocess.Popen(
        [*command, "--no-web", "--no-beat", "--concurrency", "1"],
        cwd=project,
        env={**os.environ, "TERM": "xterm", "NO_COLOR": ""},
        stdin=child_fd,
        stdout=child_fd,
        stderr=child_fd,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )
    os.close(child_fd)
    seen = b""
    deadline = time.monotonic() + 30
    has_pressed = False
    while process.poll() is None and time.monotonic() < deadline:
        if select.select([parent_fd], [], [], 0.1)[0]:
            try:
                seen += os.read(parent_fd, 65536)
            except OSError:
                break
        if b"Ready" in seen and not has_pressed:
            has_pressed = True
            os.write(parent_fd, b"\x03")
    process.kill() if process.poll() is None else None
    os.close(parent_fd)

    assert process.wait() == 0, seen.decode()
    assert b"Everything has stopped." in seen
    assert b"\x1b[32mworker |\x1b[0m" in seen
