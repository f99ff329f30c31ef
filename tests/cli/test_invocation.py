"""What `flask celery` says of an app that can not be initialised."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

APP = """
from flask import Flask
from flask_celeriac import Celeriac

app = Flask(__name__)
app.config.from_prefixed_env()
Celeriac(app)
"""


@pytest.fixture
def run_flask(tmp_path):
    """Run `flask` on a small app in a folder of its own."""
    (tmp_path / "app.py").write_text(APP)

    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flask", *words],
            cwd=tmp_path,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


def test_a_missing_broker_is_one_line_with_the_remedy(run_flask):
    run = run_flask("celery", "status")
    assert run.returncode == 1
    assert run.stderr.startswith("Error: No broker is configured. Set CELERY_BROKER_URL")
    assert "flask --debug celery" in run.stderr
    assert "Traceback" not in run.stderr + run.stdout


def test_a_mistake_in_the_configuration_is_named_without_a_traceback(run_flask):
    run = run_flask("--debug", "celery", "status", FLASK_CELERY_BROKR_URL="redis://localhost")
    assert run.returncode == 1
    assert "CELERY_BROKR_URL" in run.stderr
    assert "Did you mean CELERY_BROKER_URL" in run.stderr
    assert "Traceback" not in run.stderr + run.stdout
