"""The pieces of `flask celery up`, one by one."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from flask_celeriac.cli.supervise import program
from flask_celeriac.cli.supervise.backoff import Backoff
from flask_celeriac.cli.supervise.banner import Banner
from flask_celeriac.cli.supervise.changes import Changes, first_syntax_error
from flask_celeriac.cli.supervise.child import Child, State, describe_end
from flask_celeriac.cli.supervise.program import Program, Wish, address, flask_command, programs
from flask_celeriac.cli.supervise.roots import code_roots
from flask_celeriac.cli.supervise.terminal import Terminal

WaitUntil = Callable[..., None]


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


def test_waits_double_up_to_thirty_seconds_and_begin_anew_after_a_steady_run() -> None:
    backoff = Backoff()

    assert [backoff.after(0.5) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(30.0) == 1
    assert backoff.after(29.0) == 2


def test_lines_are_aligned_behind_the_names_of_their_programs() -> None:
    stream = io.StringIO()
    terminal = Terminal(["web", "worker-1"], stream)

    terminal.write("web", "answers")
    terminal.write("worker-1", "ready")
    terminal.say("Ready", colour="green")

    assert stream.getvalue() == ("web      | answers\nworker-1 | ready\nup       | Ready\n")


@pytest.mark.parametrize(
    ("name", "value", "has_colours"),
    [("NO_COLOR", "1", False), ("NO_COLOR", "", True), ("TERM", "dumb", False)],
)
def test_colours_are_for_terminals_that_want_them(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, has_colours: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(name, value)
    screen = Screen()

    Terminal(["web"], screen).write("web", "answers")

    assert ("\x1b[" in screen.getvalue()) is has_colours


def test_a_terminal_that_can_not_show_a_letter_shows_its_code() -> None:
    raw = io.BytesIO()
    terminal = Terminal(["web"], io.TextIOWrapper(raw, encoding="ascii"))

    terminal.write("web", "crème")

    assert raw.getvalue() == rb"web | cr\xe8me" + b"\n"


def test_a_terminal_that_was_closed_is_noticed() -> None:
    stream = io.StringIO()
    terminal = Terminal(["web"], stream)
    stream.close()

    terminal.write("web", "nobody reads this")

    assert terminal.is_gone


WORKER_BANNER = """\

 -------------- celery@host v5.7.0 (name)
--- ***** -----
-- ******* ---- Linux-6.18 2026-11-23 01:26:49
- *** --- * ---
- ** ---------- [config]
- ** ---------- .> app:         app:0x7f
- *** --- * --- .> concurrency: 2 (prefork)
-- ******* ---- .> task events: OFF
--- ***** -----
 -------------- [queues]
                .> celery           exchange=celery(direct) key=celery


[tasks]
  . app.tasks.greet
  . app.tasks.sleep

[2026-11-23 01:26:49,963: INFO/MainProcess] Connected
"""


def test_of_a_workers_banner_the_tasks_are_kept() -> None:
    banner = Banner()

    shown = [kept for line in WORKER_BANNER.splitlines() for kept in banner.strip(line)]

    assert shown == [
        "2 tasks: app.tasks.greet, app.tasks.sleep",
        "[2026-11-23 01:26:49,963: INFO/MainProcess] Connected",
    ]


def test_of_beats_banner_nothing_is_kept() -> None:
    lines = [
        "celery beat v5.7.0 (name) is starting.",
        "__    -    ... __   -        _",
        "LocalTime -> 2026-11-23 01:26:49",
        "Configuration ->",
        "    . broker -> redis://:**@127.0.0.1:6379/0",
        "[2026-11-23 01:26:49,757: INFO/MainProcess] beat: Starting...",
    ]
    banner = Banner()

    assert [kept for line in lines for kept in banner.strip(line)] == lines[-1:]


def test_lines_of_the_application_are_all_kept() -> None:
    lines = ["loading", "", "  indented", "- a list", "[tasks] of mine", "", "end"]
    banner = Banner()

    assert [kept for line in lines for kept in banner.strip(line)] == lines


def test_an_end_is_told_by_its_exit_code_or_signal() -> None:
    assert describe_end(3) == "ended with exit code 3"
    assert describe_end(-9) == "was killed by SIGKILL"
    assert describe_end(-64) == "was killed by SIGRTMAX" or "64" in describe_end(-64)


@pytest.fixture
def child() -> Iterator[Callable[..., Child]]:
    """A function that makes a child of Python code; ended with the test."""
    made = []

    def make(code: str, **options: object) -> Child:
        command = [sys.executable, "-c", code]
        stream = io.StringIO()
        child = Child(
            Program("worker", command, **options),  # type: ignore[arg-type]
            Terminal(["worker"], stream),
            {"PYTHONUNBUFFERED": "1"},
        )
        child.screen = stream  # type: ignore[attr-defined]
        made.append(child)
        return child

    yield make
    for child in made:
        child.kill()


def ticked(child: Child, state: State) -> Callable[[], bool]:
    def look() -> bool:
        child.tick()
        return child.state is state

    return look


def test_a_child_that_ignores_the_wish_to_stop_is_killed(
    child: Callable[..., Child], wait_until: WaitUntil
) -> None:
    deaf = child(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('go'); time.sleep(99)",
        ready_line=re.compile("go"),
        stop_limit_s=0.2,
    )
    deaf.start()
    wait_until(lambda: (deaf.tick(), deaf.is_ready)[1])

    deaf.stop()

    wait_until(ticked(deaf, State.STOPPED), 5.0)


def test_the_last_words_of_a_crashed_child_come_before_the_news_of_its_end(
    child: Callable[..., Child], wait_until: WaitUntil
) -> None:
    crashing = child("import sys; sys.exit('the reason')")
    crashing.start()
    wait_until(ticked(crashing, State.WAITING))

    first, second = crashing.screen.getvalue().splitlines()  # type: ignore[attr-defined]
    assert first == "worker | the reason"
    assert second == "up     | worker ended with exit code 1; starts again in 1 s"


def test_a_child_that_waits_is_started_at_once_when_code_changes(
    child: Callable[..., Child], wait_until: WaitUntil
) -> None:
    crashing = child("raise SystemExit(1)")
    crashing.start()
    wait_until(ticked(crashing, State.WAITING))

    crashing.restart()
    assert crashing.state is State.RUNNING
    wait_until(ticked(crashing, State.WAITING))
    crashing.stop()

    assert crashing.state is State.STOPPED
    assert "at the next save" in crashing.screen.getvalue()  # type: ignore[attr-defined]


def test_a_program_that_can_not_be_started_is_told_and_tried_again() -> None:
    stream = io.StringIO()
    missing = Child(Program("web", ["/no/such/program"]), Terminal(["web"], stream), {})

    missing.start()

    assert missing.state is State.WAITING
    assert "web can not be started (No such file or directory)" in stream.getvalue()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    project = tmp_path.resolve() / "project"
    for name in ("app/sub", ".venv/lib", "node_modules/x", "app/__pycache__", "instance", "env/x"):
        (project / name).mkdir(parents=True)
    (project / "env" / "pyvenv.cfg").touch()
    return project


@pytest.fixture
def changes(tree: Path) -> Iterator[Changes]:
    pytest.importorskip("watchfiles")
    changes = Changes([tree], tree / "instance")
    changes.start()
    yield changes
    changes.stop()


def test_only_folders_that_hold_the_projects_code_are_watched(tree: Path) -> None:
    watched = set(Changes([tree], tree / "instance")._folders())

    assert watched == {tree, tree / "app", tree / "app" / "sub"}


def test_saved_python_files_are_noticed_and_nothing_else(
    tree: Path, changes: Changes, wait_until: WaitUntil
) -> None:
    noticed: set[Path] = set()

    def save_until_noticed() -> bool:
        for name in ("data.sqlite", "page.html", ".hidden.py", "instance/x.py", ".venv/lib/x.py"):
            (tree / name).write_text("x = 1\n")
        (tree / "app" / "sub" / "tasks.py").write_text("x = 1\n")
        noticed.update(changes.take())
        return bool(noticed)

    wait_until(save_until_noticed)

    assert noticed == {tree / "app" / "sub" / "tasks.py"}


def test_a_new_package_is_watched_too(tree: Path, changes: Changes, wait_until: WaitUntil) -> None:
    package = tree / "app" / "new"
    noticed: set[Path] = set()

    def save_until_noticed() -> bool:
        package.mkdir(exist_ok=True)
        (package / "tasks.py").write_text("x = 1\n")
        noticed.update(changes.take())
        return package / "tasks.py" in noticed

    wait_until(save_until_noticed)


def test_a_package_made_just_before_the_watching_begins_is_noticed(
    tree: Path, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    file = tree / "app" / "new" / "tasks.py"
    look = Changes._folders

    def look_and_miss_one(changes: Changes) -> Iterator[Path]:
        folders = list(look(changes))
        if not file.exists():
            file.parent.mkdir()
            file.write_text("x = 1\n")
        return iter(folders)

    monkeypatch.setattr(Changes, "_folders", look_and_miss_one)
    changes = Changes([tree], tree / "instance")
    changes.start()
    try:
        wait_until(lambda: file in changes.take())
    finally:
        changes.stop()


def test_a_syntax_error_is_found_before_anything_restarts(tmp_path: Path) -> None:
    good, bad, gone = (tmp_path / name for name in ("good.py", "bad.py", "gone.py"))
    good.write_text("x = 1\n")
    bad.write_text("x = 1\ndef f(:\n")

    assert first_syntax_error({good, gone}) is None
    assert first_syntax_error({good, bad}) == f"{bad}:2: SyntaxError: invalid syntax"


def test_the_project_around_an_apps_package_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path.resolve() / "orchard" / "web"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("orchard.web")

    assert code_roots(Flask("orchard.web"), []) == [tmp_path.resolve()]
    assert code_roots(Flask("orchard.web"), ["orchard.web", "no.such.package", "flask"]) == [
        tmp_path.resolve()
    ]


def test_an_installed_app_watches_its_own_package_only() -> None:
    import flask

    own = Path(flask.__file__).parent.resolve()
    assert code_roots(Flask("flask"), []) == [own]


def test_children_run_the_same_app_as_up() -> None:
    assert flask_command("shop:make('x')", has_factory=False)[1:] == [
        *("-m", "flask", "--app", "shop:make('x')")
    ]
    assert flask_command(None, has_factory=False)[1:] == ["-m", "flask"]


def test_a_projects_own_flask_script_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program.sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys, "argv", ["/opt/shop/bin/shop", "celery", "up"])

    assert flask_command(None, has_factory=True)[1:] == ["/opt/shop/bin/shop"]


def test_programs_are_in_the_order_in_which_they_are_stopped(tmp_path: Path) -> None:
    wish = Wish("127.0.0.1", 5000, workers=2)

    names = [p.name for p in programs(["flask"], wish, tmp_path, tmp_path / "instance")]

    assert names == ["web", "beat", "worker-1", "worker-2"]


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]"), ("localhost", "localhost")],
)
def test_the_address_that_is_shown_can_be_opened(host: str, shown: str) -> None:
    assert address(host, 5000) == f"http://{shown}:5000"
