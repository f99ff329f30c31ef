"""`flask celery doctor`: gunicorn's sync workers, where tasks are exposed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flask_celeriac.cli.checks import web_server


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GUNICORN_CMD_ARGS", raising=False)


def has_warned(exposed: int = 1) -> bool:
    state: Any = SimpleNamespace(exposures=dict.fromkeys(range(exposed)))
    found = list(web_server.examine(state))
    assert all(finding.level == "warning" and finding.remedy for finding in found)
    return bool(found)


@pytest.mark.parametrize(
    ("words", "is_sync"),
    [
        ("--bind :8000", True),
        ("-k sync -w 4", True),
        ("--worker-class=sync --threads 1", True),
        ("--threads 8", False),
        ("--threads=8", False),
        ("-k gevent", False),
        ("-kgevent", False),
        ("--worker-class gthread", False),
        ("--worker-class gthread --threads 1", False),
        ("--bind 'a", False),
    ],
)
def test_the_variable_is_read(monkeypatch: pytest.MonkeyPatch, words: str, is_sync: bool) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", words)
    assert has_warned() == is_sync
    assert not has_warned(exposed=0)


@pytest.mark.parametrize(
    ("text", "is_sync"),
    [
        ("bind = ':8000'", True),
        ("worker_class = 'sync'\nthreads = 1", True),
        ("threads = 8", False),
        ("worker_class: str = 'gevent'", False),
        ("import os\nthreads = int(os.environ['THREADS'])", False),
        ("this is no python", False),
        ("raise SystemExit", True),
    ],
)
def test_the_file_is_read_and_not_run(text: str, is_sync: bool) -> None:
    Path("gunicorn.conf.py").write_text(text)
    assert has_warned() == is_sync


def test_the_variable_comes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("gunicorn.conf.py").write_text("threads = 8")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--bind :8000")
    assert not has_warned()
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--threads 1")
    assert has_warned()


def test_where_nothing_of_gunicorn_is_seen_nothing_is_said() -> None:
    assert not has_warned()
