"""State files are private, replaced in one step, and no link leads them astray."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from flask_celeriac.health.heartbeat import Heartbeat
from flask_celeriac.health.state_file import StateFile, StateFolder, UnsafeFolder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world-writable temporary directory, and nothing that names a state folder."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("CELERIAC_STATE_DIR", raising=False)
    tmp_path.chmod(0o1777)
    return tmp_path


def test_the_default_folder_and_its_files_are_closed_to_others(temporary: Path) -> None:
    file = StateFile("worker")
    file.write({"name": "celery@here"})
    assert stat.S_IMODE((temporary / f"celeriac-{os.geteuid()}").stat().st_mode) == 0o700
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_default_folder_that_was_left_open_is_closed(temporary: Path) -> None:
    folder = temporary / f"celeriac-{os.geteuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    StateFile("worker")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_link_in_place_of_the_default_folder_is_refused(temporary: Path) -> None:
    target = temporary / "elsewhere"
    target.mkdir()
    (temporary / f"celeriac-{os.geteuid()}").symlink_to(target)
    with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
        StateFile("worker")
    assert not list(target.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_a_default_folder_of_another_user_is_refused(temporary: Path) -> None:
    folder = temporary / f"celeriac-{os.geteuid()}"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    with pytest.raises(UnsafeFolder, match="CELERIAC_STATE_DIR"):
        StateFile("worker")


def test_links_in_place_of_the_files_are_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "state"
    folder.mkdir()
    name = f"worker-{os.getpid()}.json"
    (folder / name).symlink_to(victim)
    (folder / f".{name}.part").symlink_to(victim)
    file = StateFile("worker", str(folder))
    file.write({"name": "celery@here"})
    assert victim.read_text() == "precious"
    assert not file.path.is_symlink()


def test_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "told").write_text('{"role": "worker"}')
    (tmp_path / "worker-1.json").symlink_to(tmp_path / "told")
    with StateFolder(str(tmp_path)) as folder:
        assert folder.read("worker-1.json") is None


def test_broken_and_strange_files_read_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "worker-1.json").write_text('{"role": ')
    (tmp_path / "worker-2.json").write_text("[]")
    os.mkfifo(tmp_path / "worker-3.json")
    with StateFolder(str(tmp_path)) as folder:
        assert [folder.read(f"worker-{number}.json") for number in (1, 2, 3)] == [None] * 3


def test_files_of_dead_processes_are_cleared_away_by_the_next_of_their_role(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    for role in ("worker", "beat"):
        (tmp_path / f"{role}-{process.pid}.json").write_text("{}")
    StateFile("worker", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [f"beat-{process.pid}.json"]


def test_a_forked_child_leaves_the_file_to_its_parent(tmp_path: Path) -> None:
    heartbeat = Heartbeat(StateFile("worker", str(tmp_path)), lambda: {"name": "celery@here"})
    heartbeat.start()
    script = (
        "import os; from flask_celeriac.health.state_file import StateFile;"
        f"file = StateFile('beat', {str(tmp_path)!r}); file.write({{}});"
        "child = os.fork();"
        "child or (file.remove(), os._exit(0));"
        "os.waitpid(child, 0); assert file.path.exists(); file.remove();"
        "assert not file.path.exists()"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    heartbeat.stop()
    assert not list(tmp_path.iterdir())


def test_a_killed_process_leaves_a_whole_file(tmp_path: Path) -> None:
    script = (
        "from flask_celeriac.health.state_file import StateFile;"
        f"file = StateFile('worker', {str(tmp_path)!r});"
        "print('go', flush=True)\n"
        "while True: file.write({'name': 'x' * 5000})"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        path = tmp_path / f"worker-{process.pid}.json"
        with StateFolder(str(tmp_path)) as folder:
            while not path.exists():
                pass
            seen = [folder.read(path.name) for _ in range(200)]
            process.send_signal(signal.SIGKILL)
            process.wait()
            seen.append(folder.read(path.name))
    assert all(facts and len(facts["name"]) == 5000 for facts in seen)
