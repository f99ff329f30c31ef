"""Requests made up from the OpenAPI document: never an error of ours, and answers as described."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from celery import states
from flask import Flask
from http_shop import PREFIX, make
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from flask_celeriac.record.journal.find import journal_of

RIGHT, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
#: The path of a task and that of its kind are one: POST to an id is a task that is not there.
WITHOUT = [unsupported_method]
SOME = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def paths() -> list[tuple[str, str]]:
    """Return the path and method of each operation that is described; nobody is connected to."""
    nowhere = "redis://localhost"
    _, app = make(CELERY_BROKER_URL=nowhere, CELERY_RESULT_BACKEND=nowhere)
    described = app.test_client().get(f"{PREFIX}/openapi.json").json["paths"]
    return [
        (path, method)
        for path, item in described.items()
        for method in sorted(item.keys() - {"parameters"})
    ]


@pytest.fixture(scope="module")
def served(redis_server: Any) -> Flask:
    url = f"{redis_server.url.rpartition('/')[0]}/15"
    return make(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url, CELERIAC_MAX_WAIT=0.01)[1]


@pytest.fixture(scope="module")
def api(served: Flask) -> Any:
    return schemathesis.openapi.from_wsgi(f"{PREFIX}/openapi.json", served)


@pytest.fixture(scope="module")
def ended_id(served: Flask) -> str:
    """The id of a task that has ended."""
    id_: str = served.test_client().post(f"{PREFIX}/shop.fail").json["id"]
    celery = served.extensions["celery"]
    journal_of(celery).ended(id_)
    celery.backend.store_result(id_, ValueError("no"), states.FAILURE)
    return id_


def tried(operation: Any, mode: GenerationMode, check: Callable[[Case], None]) -> None:
    """Do *check* with requests that schemathesis makes up."""

    @SOME
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Case) -> None:
        check(case)

    run()


@pytest.mark.parametrize(("path", "method"), paths())
def test_what_is_right_is_answered_as_described(api: Any, path: str, method: str) -> None:
    # An id that is made up is that of no task.
    without = [*WITHOUT, positive_data_acceptance] if "{" in path else WITHOUT

    def check(case: Case) -> None:
        if "Idempotency-Key" in (case.headers or {}):
            # The same with another body would be wrong.
            case.headers["Idempotency-Key"] = f'"{uuid4()}"'
        case.call_and_validate(excluded_checks=without)

    tried(api[path][method], RIGHT, check)


@pytest.mark.parametrize(
    ("path", "method"), [each for each in paths() if each[0] not in ("/", "/openapi.json")]
)
def test_what_is_wrong_is_no_error_of_ours(api: Any, path: str, method: str) -> None:
    # pydantic takes some values that JSON Schema does not, such as "5" for a number.
    without = [*WITHOUT, negative_data_rejection]
    tried(api[path][method], WRONG, lambda case: case.call_and_validate(excluded_checks=without))


@pytest.mark.parametrize("mode", [RIGHT, WRONG], ids=["right", "wrong"])
@pytest.mark.parametrize(("path", "method"), [each for each in paths() if "{" in each[0]])
def test_of_a_task_that_has_ended_too(
    api: Any, ended_id: str, path: str, method: str, mode: GenerationMode
) -> None:
    def check(case: Case) -> None:
        case.path_parameters["task_id"] = ended_id
        answer = case.call()
        assert answer.status_code != 404
        # What was wrong may have been the id.
        case.validate_response(answer, excluded_checks=[*WITHOUT, negative_data_rejection])

    tried(api[path][method], mode, check)
