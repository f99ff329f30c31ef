"""How the soak tells repeats that were declared from others."""

from __future__ import annotations

from pathlib import Path

import pytest

WORKER, CHILD = "threads-2.1", 41


@pytest.fixture(autouse=True)
def root_is_importable(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])


def lines(*runs):
    """Give the lines of runs: (retries, worker, pid, began, ended or None)."""
    for retries, worker, pid, began, ended in runs:
        run = {"id": "a", "retries": retries, "worker": worker, "pid": pid}
        yield {"what": "start", "at": began, **run}
        if ended is not None:
            yield {"what": "end", "at": ended, **run}


def judge(runs, *faults):
    from benchmarks.soak.faults import Fault
    from benchmarks.soak.verdict import repeats, runs_of

    return repeats(runs_of(lines(*runs)), [Fault(*fault) for fault in faults])


FIRST = (0, WORKER, CHILD, 10.0, None)
AGAIN = (0, "threads-3.1", 42, 40.0, 41.0)
INFINITY = float("inf")


@pytest.mark.parametrize(
    "fault",
    [
        ("kill -9 worker", WORKER, 12.0, 12.2),
        ("kill -9 pool child", str(CHILD), 12.0, 12.0),
        ("freeze worker", WORKER, 12.0, INFINITY),
        ("SIGTERM worker", WORKER, 5.0, 13.0),
    ],
)
def test_a_run_on_a_process_that_a_fault_hit_declares_one_repeat(fault):
    found = judge([FIRST, AGAIN], fault)
    assert found.declared == {fault[0]: 1}
    assert found.undeclared == []
    assert len(judge([FIRST, AGAIN, (0, "prefork-0.1", 43, 42.0, 43.0)], fault).undeclared) == 1


@pytest.mark.parametrize(
    "fault",
    [
        ("kill -9 worker", "threads-2.2", 12.0, 12.2),
        ("kill -9 worker", WORKER, 9.0, 9.5),
        ("kill -9 server", "", 12.0, 13.0),
        ("CLIENT KILL", "", 12.0, 12.0),
    ],
)
def test_other_faults_declare_nothing(fault):
    found = judge([FIRST, AGAIN], fault)
    assert not found.declared
    assert [run.began_at for run in found.undeclared[0]] == [10.0, 40.0]


def test_a_run_is_over_when_it_could_be_acknowledged():
    ended = (0, WORKER, CHILD, 10.0, 11.0)
    killed = ("kill -9 worker", WORKER, 14.0, 14.2)
    assert len(judge([ended, AGAIN], killed).undeclared) == 1
    outage = ("kill -9 server", "", 11.5, 13.0)
    assert judge([ended, AGAIN], outage, killed).undeclared == []


def test_a_retry_that_a_repeat_sent_again_is_declared():
    retries = [(1, "threads-3.1", 42, 50.0, 51.0), (1, "threads-3.1", 42, 52.0, 53.0)]
    killed = ("kill -9 worker", WORKER, 12.0, 12.2)
    found = judge([FIRST, AGAIN, *retries], killed)
    assert found.declared == {"kill -9 worker": 1, "an earlier repeat": 1}
    assert len(judge(retries).undeclared) == 1


def test_runs_and_single_attempts_are_no_repeats():
    found = judge([(0, WORKER, CHILD, 1.0, 2.0), (1, WORKER, CHILD, 3.0, 4.0)])
    assert not found.declared
    assert not found.undeclared
