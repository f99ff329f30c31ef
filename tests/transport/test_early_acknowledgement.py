"""Tasks with `acks_late=False` on our transport run at most once, and yet all follows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from early_app import add, create_app

WAIT_S = 30


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_their_results_arrive_and_their_chains_go_on(
    redis_url: str, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARLY_URL", redis_url)
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "early_app:create_app", "celery", "worker",
         "-P", pool, "-c", "2", "--without-mingle"],
        cwd=Path(__file__).parent,
        env=dict(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with create_app().app_context():
            assert add.delay(1, 2).get(timeout=WAIT_S) == 3
            chain = add.s(1, 2) | add.s(3) | add.s(4)
            assert chain.apply_async().get(timeout=WAIT_S) == 10
    finally:
        process.terminate()
        process.wait(30)
