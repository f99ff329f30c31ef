"""`flask celery up` follows saved code."""

from __future__ import annotations

from pathlib import Path

import pytest
from up_runner import TASKS, Up, make_project

from flask_celeriac.embedded import EmbeddedServer


@pytest.fixture
def project(tmp_path: Path, redis_server: EmbeddedServer) -> Path:
    """A project without a broker; skipped with `redis_server` when there is no binary."""
    return make_project(tmp_path)


@pytest.fixture
def tasks(project: Path) -> Path:
    """The file that is saved."""
    return project / "app" / "tasks.py"


def test_a_saved_task_is_run_as_it_is_now(project: Path, tasks: Path) -> None:
    pytest.importorskip("watchfiles")
    with Up(project, "--port", "0", "--concurrency", "1") as up:
        assert up.get("/greet") == "hello web"
        seen = len(up.lines)

        tasks.write_text(TASKS.replace("hello", "good morning"))

        up.wait_for(r"^up .*app/tasks\.py changed: beat, worker restart", after=seen)
        up.wait_for(r"beat: Starting", after=seen)
        up.wait_for(r"@\S+ ready\.", after=seen)
        assert up.get("/greet") == "good morning web"


def test_a_syntax_error_is_shown_and_the_next_save_restarts(project: Path, tasks: Path) -> None:
    pytest.importorskip("watchfiles")
    with Up(project, "--no-web", "--no-beat", "--concurrency", "1") as up:
        up.wait_until_ready()
        seen = len(up.lines)

        tasks.write_text(TASKS + "def broken(:\n")
        up.wait_for(r"^up .*tasks\.py:\d+: SyntaxError", after=seen)
        up.wait_for(r"^up .*former code goes on in worker\.$", after=seen)
        assert not any("restart" in line for line in up.lines[seen:])

        tasks.write_text(TASKS)
        up.wait_for(r"changed: worker restart", after=seen)
        up.wait_for(r"@\S+ ready\.", after=seen)


def test_code_that_fails_on_import_is_shown_and_the_next_save_restarts(
    project: Path, tasks: Path
) -> None:
    pytest.importorskip("watchfiles")
    with Up(project, "--no-web", "--no-beat", "--concurrency", "1") as up:
        up.wait_until_ready()
        seen = len(up.lines)

        tasks.write_text(TASKS + "no_such_name\n")
        up.wait_for(r"^worker .*NameError", after=seen)
        up.wait_for(r"worker ended with exit code 1; starts again at the next save", after=seen)

        seen = len(up.lines)
        tasks.write_text(TASKS)
        up.wait_for(r"@\S+ ready\.", after=seen)


def test_without_watchfiles_one_line_says_so_and_web_still_reloads(
    project: Path, tasks: Path
) -> None:
    (project / "watchfiles.py").write_text("raise ImportError('not here')\n")
    with Up(project, "--port", "0", "--no-beat", "--concurrency", "1") as up:
        up.wait_until_ready()
        notes = [line for line in up.lines if "flask-celeriac[dev]" in line]
        assert len(notes) == 1
        seen = len(up.lines)

        tasks.touch()

        up.wait_for(r"^web .*Detected change", after=seen)
        assert up.get("/greet") == "hello web"


def test_no_reload_turns_every_reload_off(project: Path) -> None:
    with Up(project, "--port", "0", "--no-beat", "--no-reload", "--concurrency", "1") as up:
        up.wait_until_ready()
        assert not any("Restarting with" in line for line in up.lines)
        assert any("--no-reload" in command for command in up.family().values())
