"""What a state file says about its process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from flask_celeriac.health.judgement import Verdict
from flask_celeriac.health.state_file import StateFolder
from flask_celeriac.health.verdict import judge, judge_role

NOW_S = 1000.0


def facts(**changes: Any) -> dict[str, Any]:
    well = {"role": "worker", "name": "celery@here", "pid": 7, "state": "running", "why": ""}
    return {**well, "beat_s": 999.0, "look_s": 995.0, "slots": 4, "busy": 1, **changes}


@pytest.mark.parametrize(
    ("changes", "is_healthy", "words"),
    [
        ({}, True, "1 of 4 slots busy"),
        ({"beat_s": 990.1}, True, "beat 9.9 s ago"),
        ({"beat_s": 988.0}, False, "last beat 12 s ago"),
        ({"beat_s": 5000.0}, False, "before the machine started"),
        ({"beat_s": None}, False, "before the machine started"),
        ({"look_s": 970.1}, True, "looked for work 29.9 s ago"),
        ({"look_s": 960.0, "why": "no connection"}, False, "for 40 s: no connection"),
        ({"look_s": None}, False, "has not looked for work yet"),
        ({"look_s": 900.0, "state": "stopping"}, True, "stopping, 1 of 4"),
        ({"beat_s": 980.0, "state": "stopping"}, False, "last beat 20 s ago"),
    ],
)
def test_a_verdict_says_why(changes: dict[str, Any], is_healthy: bool, words: str) -> None:
    verdict = judge(facts(**changes), NOW_S)
    assert verdict.is_healthy is is_healthy
    assert words in verdict.text
    assert "\n" not in verdict.text


def verdict_of(folder: Path, *files: dict[str, Any], **choice: Any) -> Verdict:
    for content in files:
        (folder / f"worker-{content['pid']}.json").write_text(json.dumps(content))
    with StateFolder(str(folder)) as opened:
        return judge_role("worker", opened, NOW_S, **choice)


def test_of_several_live_workers_each_must_be_well(tmp_path: Path) -> None:
    one, two = os.getpid(), os.getppid()
    ill = facts(pid=two, name="ill@here", look_s=1.0)
    verdict = verdict_of(tmp_path, facts(pid=one), ill)
    assert not verdict.is_healthy
    assert "ill@here" in verdict.text
    assert "celery@here" not in verdict.text
    assert verdict_of(tmp_path, name="celery@here").is_healthy
    assert verdict_of(tmp_path, pid=one).is_healthy
    assert not verdict_of(tmp_path, pid=two).is_healthy


def test_a_dead_worker_counts_only_where_none_lives(tmp_path: Path) -> None:
    dead = facts(pid=4_000_000, name="dead@here")
    gone = verdict_of(tmp_path, dead)
    assert not gone.is_healthy
    assert gone.text == "worker dead@here (pid 4000000) is gone"
    assert verdict_of(tmp_path, facts(pid=os.getpid())).is_healthy


def test_no_file_at_all_names_the_folder(tmp_path: Path) -> None:
    verdict = verdict_of(tmp_path)
    assert not verdict.is_healthy
    assert str(tmp_path) in verdict.text


@pytest.mark.parametrize(
    ("well_s", "state", "is_healthy", "words"),
    [
        (990.0, "running", True, "worker two@here: starts again, was well 10 s ago"),
        (960.0, "running", False, "worker two@here: has been down for 40 s"),
        (None, "running", False, "worker two@here: starting, has not looked for work yet"),
        (960.0, "stopping", True, "celery@here"),
    ],
)
def test_a_worker_that_its_supervisor_misses_counts(
    tmp_path: Path, well_s: float | None, state: str, is_healthy: bool, words: str
) -> None:
    supervise(tmp_path, state=state, workers={"celery@here": 999.0, "two@here": well_s})
    one = facts(pid=os.getpid())
    verdict = verdict_of(tmp_path, one)
    assert verdict.is_healthy is is_healthy
    assert words in verdict.text
    assert verdict_of(tmp_path, name="celery@here").is_healthy
    starting = facts(pid=os.getppid(), name="two@here", look_s=None)
    if state == "running":
        assert words in verdict_of(tmp_path, starting).text
    assert verdict_of(tmp_path, {**starting, "look_s": 999.0}).is_healthy


def test_a_supervisor_that_does_nothing_is_not_well(tmp_path: Path) -> None:
    supervise(tmp_path, beat_s=980.0, workers={"celery@here": 980.0})
    verdict = verdict_of(tmp_path, facts(pid=os.getpid()))
    assert not verdict.is_healthy
    assert verdict.text.startswith("supervisor of workers (pid")


def test_a_dead_supervisor_misses_nobody(tmp_path: Path) -> None:
    supervise(tmp_path, pid=4_000_000, workers={"two@here": 1.0})
    assert verdict_of(tmp_path, facts(pid=os.getpid())).is_healthy


def supervise(folder: Path, **changes: Any) -> None:
    content = {"pid": os.getpid(), "state": "running", "beat_s": 999.0, **changes}
    (folder / f"supervisor-{content['pid']}.json").write_text(json.dumps(content))
