"""The OpenAPI document: valid, complete, and true."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from http_shop import PREFIX
from openapi_spec_validator import OpenAPIV31SpecValidator

from flask_celeriac.api.openapi import document

DOCUMENT = f"{PREFIX}/openapi.json"


@pytest.fixture
def described(client: FlaskClient) -> dict[str, Any]:
    answer = client.get(DOCUMENT)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-cache"
    found: dict[str, Any] = answer.json
    return found


def test_the_document_is_valid(described: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(described).validate()


def test_the_document_of_an_application_without_tasks_is_valid() -> None:
    OpenAPIV31SpecValidator(document("Nothing", "/", [])).validate()


def test_the_document_has_all_routes_of_the_blueprint(
    described: dict[str, Any], app: Flask
) -> None:
    rules = {
        (rule.rule.removeprefix(PREFIX).replace("<", "{").replace(">", "}"), method)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("celeriac_api.") and not rule.endpoint.endswith(".static")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    paths = {
        (path, method.upper())
        for path, item in described["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    tasks = {pair for pair in paths if pair[0].startswith("/shop.")}
    assert rules - {("/{task_name}", "POST")} == paths - tasks
    assert len(tasks) == 5
    assert described["servers"] == [{"url": PREFIX}]


def test_the_document_has_its_tag(client: FlaskClient) -> None:
    tag = client.get(DOCUMENT).headers["ETag"]
    assert client.get(DOCUMENT, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(f"{PREFIX}/", headers={"If-None-Match": tag}).status_code == 200


def test_the_names_of_models_do_not_hide_ours(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    assert {"Item", "Kind", "shop_order", "celeriac.Status"} <= set(schemas)
