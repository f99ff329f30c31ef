"""Sentry sees of our tasks what it sees of a plain Celery app's, to the last span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stage import stages

from flask_celeriac.embedded import EmbeddedServer

Item = dict[str, Any]
Observed = Callable[[str, str], dict[str, list[Item]]]

#: How often each task is run by what the sender sends.
RUNS = {
    "observed.add": 10,
    "observed.total": 1,
    "observed.fail": 1,
    "observed.slow_fail": 1,
    "observed.expected": 1,
    "observed.again": 2,
    "observed.flaky": 2,
    "observed.parent": 1,
}


@pytest.fixture(params=["prefork", "threads"])
def both(request: pytest.FixtureRequest, observed: Observed) -> dict[str, list[Item]]:
    return observed("sentry", request.param)


def of_kind(items: list[Item], kind: str) -> list[Item]:
    return [item for item in items if item["kind"] == kind]


def trace(item: Item) -> Item:
    context: Item = item["contexts"]["trace"]
    return context


def tasks(items: list[Item]) -> list[Item]:
    transactions = of_kind(items, "transaction")
    return [item for item in transactions if trace(item)["op"] == "queue.task.celery"]


def test_each_run_is_a_transaction_with_the_name_and_id_of_its_task(
    both: dict[str, list[Item]],
) -> None:
    runs = tasks(both["ours"])
    assert Counter(run["transaction"] for run in runs) == RUNS
    assert all(run["tags"]["celery_task_id"] for run in runs)
    # Retries keep their id.
    assert len({run["tags"]["celery_task_id"] for run in runs}) == len(runs) - 2


def test_a_failure_is_one_event_and_a_retry_or_an_expected_error_is_none(
    both: dict[str, list[Item]],
) -> None:
    runs = {run["transaction"]: run for run in tasks(both["ours"])}
    events = of_kind(both["ours"], "event")
    assert sorted(event["transaction"] for event in events) == [
        "observed.fail",
        "observed.slow_fail",
    ]
    for event in events:
        name = event["transaction"]
        assert event["extra"]["celery-job"]["task_name"] == name
        assert event["tags"]["celery_task_id"] == runs[name]["tags"]["celery_task_id"]
        assert trace(event)["trace_id"] == trace(runs[name])["trace_id"]
        [error] = event["exception"]["values"]
        assert (error["type"], error["mechanism"]["type"]) == ("ValueError", "celery")


def test_one_request_and_all_that_follows_from_it_are_one_trace(
    both: dict[str, list[Item]],
) -> None:
    [request] = [item for item in both["ours"] if item["transaction"] == "send"]
    assert trace(request)["op"] == "http.server"
    assert {trace(item)["trace_id"] for item in both["ours"]} == {trace(request)["trace_id"]}


def places(items: list[Item]) -> dict[str, str]:
    """Say of each span, by its id, in which transaction it is and what it is."""
    found = {}
    for item in of_kind(items, "transaction"):
        found[trace(item)["span_id"]] = f"{item['transaction']} itself"
        for span in item["spans"]:
            found[span["span_id"]] = f"{item['transaction']}: {span['op']} {span['description']}"
    return found


def spans_about_queues(item: Item) -> list[str]:
    # How often Redis is asked is what differs.
    return sorted(
        f"{span['op']} {span['description']} {span.get('status')}"
        f" {sorted(span['data'])} {span['data'].get('messaging.system')}"
        f" {span['data'].get('messaging.destination.name')}"
        f" {span['data'].get('messaging.message.retry.count')}"
        for span in item.get("spans", [])
        if span["op"].startswith("queue.")
    )


def summary(items: list[Item]) -> Counter[str]:
    """Everything that was seen, without ids, times and the order."""
    place = places(items)
    return Counter(
        "\n".join(
            [
                f"{item['kind']} {item['transaction']} {trace(item)['op']}",
                f"status {trace(item).get('status')}, source {item['transaction_info']}",
                f"below {place.get(trace(item).get('parent_span_id'))}",
                f"tags {sorted(item.get('tags', ()))}, extra {sorted(item.get('extra', ()))}",
                *spans_about_queues(item),
            ]
        )
        for item in items
    )


def test_all_is_as_in_a_plain_application(both: dict[str, list[Item]]) -> None:
    assert summary(both["ours"]) == summary(both["plain"])


def test_the_runs_of_beat_check_in_as_in_a_plain_application(
    redis_server: EmbeddedServer, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    def check_ins(items: list[Item]) -> list[list[Any]]:
        """Return what was told of each run that has ended."""
        runs: dict[str, list[Any]] = {}
        for item in of_kind(items, "check_in"):
            runs.setdefault(item["check_in_id"], [item["monitor_slug"]]).append(item["status"])
        return [told for told in runs.values() if len(told) > 2]

    with stages("sentry", redis_server.url, tmp_path) as both:
        for stage in both.values():
            stage.worker("threads")
            stage.command("beat", "-s", str(stage.folder / "schedule"))
        for stage in both.values():
            wait_until(lambda s=stage: check_ins(s.seen), 40)
    for stage in both.values():
        assert check_ins(stage.seen)[0] == ["hourly", "in_progress", "ok"], stage.log
