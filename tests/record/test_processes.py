"""Waiting under gevent, across forks and while the interpreter ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).with_name("waiting_programs.py")


def output_of(name: str, url: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", PROGRAMS, name, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PROGRAMS.parent.parent)},  # what tests share
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_hundred_greenlets_wait_on_one_connection(redis_url: str) -> None:
    assert output_of("greenlets", redis_url) == ["subscribed 1", f"got {sum(range(100))} [1]"]


def test_greenlets_listen_in_turn(redis_url: str) -> None:
    assert output_of("quick_greenlets", redis_url) == ["got [100, 100, 100, 100]"]


def test_a_forked_child_waits_by_itself_and_the_parent_goes_on(redis_url: str) -> None:
    assert output_of("fork", redis_url) == [
        "got child",
        "subscribed 2",
        "child ended with 0",
        "got parent",
    ]


def test_a_forked_child_is_not_held_by_locks_of_its_parent(redis_url: str) -> None:
    assert output_of("fork_while_waiting", redis_url) == ["got child", "child ended with 0"]


def test_a_result_can_be_awaited_while_the_interpreter_ends(redis_url: str) -> None:
    assert output_of("at_exit", redis_url) == ["got 1"]


def test_the_interpreter_ends_though_somebody_waits(redis_url: str) -> None:
    assert output_of("left_waiting", redis_url) == ["ended"]
