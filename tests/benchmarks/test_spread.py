"""Medians and their intervals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def root_is_importable(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2])


def test_the_interval_holds_the_median_and_is_the_same_each_time():
    from benchmarks.spread import estimate

    groups = [[1.0, 1.1, 1.2, 1.3], [1.05, 1.15, 1.25, 1.2]]
    found = estimate(groups)
    assert found.low <= found.median <= found.high
    assert found.median == pytest.approx(1.175)
    assert estimate(groups) == found


def test_values_that_differ_between_starts_widen_the_interval():
    from benchmarks.spread import estimate

    alike = estimate([[1.0, 1.1], [1.0, 1.1], [1.0, 1.1]])
    apart = estimate([[1.0, 1.0], [1.1, 1.1], [1.2, 1.2]])
    assert apart.high - apart.low > alike.high - alike.low


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_one_of_the_values(share, value):
    from benchmarks.spread import percentile

    assert percentile(list(range(100, 0, -1)), share) == value


@pytest.mark.skipif(sys.platform != "linux", reason="reads processor times of Linux")
def test_the_clock_of_a_process_counts_its_children():
    from benchmarks.processor import ProcessorClock

    burn = "import time\nwhile time.process_time() < 0.2: pass\nprint('x', flush=True)\ninput()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    process = subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "x\n"
        assert ProcessorClock(process.pid).read_s() >= 0.2
        process.stdin.close()
