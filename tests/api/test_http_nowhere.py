"""Paths and methods that lead nowhere, below the prefix and beside it."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from http_shop import PREFIX

from flask_celeriac import Celeriac


@pytest.mark.parametrize("path", ["/a/b", "/a/events/b", "/static/no.js"])
def test_a_path_that_is_not_there_is_a_problem(client: FlaskClient, path: str) -> None:
    answer = client.get(PREFIX + path)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert answer.json["status"] == 404
    assert answer.json["title"] == "Not Found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/a", {"DELETE", "GET", "HEAD", "OPTIONS", "POST"}),
        ("POST", "/", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/a/events", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_method_that_is_not_there_is_a_problem_that_names_the_others(
    client: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.open(PREFIX + path, method=method)
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert set(answer.headers["Allow"].split(", ")) == allowed


def test_what_lies_beside_the_prefix_is_the_application_s(client: FlaskClient, app: Flask) -> None:
    @app.errorhandler(404)
    def missing(_: Exception) -> tuple[str, int]:
        return "ours", 404

    assert client.get(PREFIX + "es/no").text == "ours"
    assert client.get("/no").text == "ours"
    assert client.get(PREFIX + "/a/b").content_type == "application/problem+json"


def test_at_the_root_all_is_the_application_s(redis_url: str) -> None:
    celeriac, app = Celeriac(), Flask("root")
    app.config["CELERY"] = {"broker_url": redis_url, "result_backend": redis_url}
    celeriac.init_app(app)
    app.register_blueprint(celeriac.api)
    app.register_error_handler(404, lambda _: ("ours", 404))
    assert app.test_client().get("/a/b").text == "ours"
    assert app.test_client().get("/openapi.json").content_type == "application/problem+json"


def test_what_leads_elsewhere_still_does(client: FlaskClient) -> None:
    answer = client.get(PREFIX)
    assert (answer.status_code, answer.location) == (308, f"http://localhost{PREFIX}/")
