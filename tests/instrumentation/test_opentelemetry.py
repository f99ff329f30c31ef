"""OpenTelemetry sees of our tasks what it sees of a plain Celery app's, to the last span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

Span = dict[str, Any]
Observed = Callable[[str, str], dict[str, list[Span]]]


@pytest.fixture(params=["prefork", "threads"])
def both(request: pytest.FixtureRequest, observed: Observed) -> dict[str, list[Span]]:
    return observed("opentelemetry", request.param)


def by_id(spans: list[Span]) -> dict[str, Span]:
    return {span["context"]["span_id"]: span for span in spans}


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span["name"] == name]


def parent_of(span: Span, spans: list[Span]) -> Span | None:
    return by_id(spans).get(span["parent_id"])


def test_each_run_is_below_the_span_of_its_sender(both: dict[str, list[Span]]) -> None:
    ours = both["ours"]
    runs = [span for span in ours if span["kind"] == "SpanKind.CONSUMER"]
    sends = [span for span in ours if span["kind"] == "SpanKind.PRODUCER"]
    assert len(runs) == len(sends) == 19
    for run in runs:
        task = run["attributes"]["celery.task_name"]
        sent = parent_of(run, sends)
        assert sent is not None
        assert (sent["name"], run["name"]) == (f"apply_async/{task}", f"run/{task}")
        assert sent["context"]["trace_id"] == run["context"]["trace_id"]
        for span in (run, sent):
            assert span["attributes"]["messaging.destination"] == "celery"
        assert len({span["attributes"]["messaging.message.id"] for span in (run, sent)}) == 1


def test_a_chain_and_a_retry_go_on_in_the_trace_that_they_began_in(
    both: dict[str, list[Span]],
) -> None:
    ours = both["ours"]
    links = [
        span
        for span in named(ours, "apply_async/observed.add")
        if (above := parent_of(span, ours)) and above["name"] == "run/observed.add"
    ]
    assert len(links) == 1
    again = named(ours, "run/observed.again")
    assert len({span["context"]["trace_id"] for span in again}) == 1
    assert [span["attributes"].get("celery.retries") for span in again] == [None, 1]


def test_a_failure_has_the_status_of_an_error_and_its_exception(
    both: dict[str, list[Span]],
) -> None:
    for name in ("observed.fail", "observed.slow_fail"):
        [run] = named(both["ours"], f"run/{name}")
        assert run["status"]["status_code"] == "ERROR"
        [event] = run["events"]
        assert event["attributes"]["exception.type"] == "ValueError"
    retried = named(both["ours"], "run/observed.again") + named(both["ours"], "run/observed.flaky")
    assert {span["status"]["status_code"] for span in retried} == {"UNSET"}


def summary(spans: list[Span]) -> Counter[str]:
    """Everything that was seen, without ids, times and the order."""

    def told(span: Span) -> str:
        above = parent_of(span, spans)
        attributes = span["attributes"]
        return "\n".join(
            [
                f"{span['name']} {span['kind']} below {above and above['name']}",
                f"{span['status']} {[event['name'] for event in span['events']]}",
                f"{attributes.get('celery.state')} {attributes.get('messaging.destination_kind')}",
                f"{sorted(attributes)}",
                f"{attributes.get('celery.delivery_info')}",
            ]
        )

    return Counter(told(span) for span in spans)


def test_all_is_as_in_a_plain_application(both: dict[str, list[Span]]) -> None:
    assert summary(both["ours"]) == summary(both["plain"])
