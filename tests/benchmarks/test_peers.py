"""The comparison with other task queues: its tables. Their libraries are not installed here."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
from benchmarks.peers import figures, table
from benchmarks.peers.catalogue import BASELINE, SYSTEMS
from benchmarks.peers.figures import LIMIT, Turn

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
REQUIREMENTS = tomllib.loads((PEERS / "requirements.toml").read_text())


@pytest.fixture
def turns():
    """Two turns; the machine was twice as fast in the second."""
    return [
        Turn(
            {
                LIMIT: {"LPUSH": {"tasks_per_s": 1000 * speed}},
                BASELINE: {
                    "enqueue": {"tasks_per_s": 100 * speed},
                    "round trip": {"p50_ms": 8 / speed},
                },
                "huey": {
                    "enqueue": {"tasks_per_s": 300 * speed},
                    "round trip": {"p50_ms": 2 / speed},
                },
            }
        )
        for speed in (1, 2)
    ]


def test_a_ratio_is_that_of_one_turn(turns):
    measures = figures.summary(turns)
    enqueue = measures["enqueue"]["huey"]["tasks_per_s"]
    assert enqueue == {
        "median": 450,
        "low": 300,
        "high": 600,
        "times": pytest.approx(3),
        "share": pytest.approx(0.3),
    }
    assert measures["round trip"]["huey"]["p50_ms"]["times"] == pytest.approx(4)


def test_what_is_missing_in_a_turn_is_left_out(turns):
    del turns[1].found[BASELINE]["enqueue"]
    turns[0].found["huey"].clear()
    enqueue = figures.summary(turns)["enqueue"]["huey"]["tasks_per_s"]
    assert enqueue == {"median": 600, "low": 600, "high": 600, "share": pytest.approx(0.3)}


def test_the_tables_name_systems_and_failures(turns):
    results = {"measures": figures.summary(turns), "failed": {"saq": "no server"}}
    printed = table.render(results)
    assert "saq failed: no server" in printed
    assert "1500     1000..2000" in printed
    assert "300..600" in printed


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_has_a_module_and_an_environment_with_exact_versions(name):
    system = SYSTEMS[name]
    assert find_spec(system.module)
    assert all("==" in package for package in REQUIREMENTS[system.environment]["packages"])
