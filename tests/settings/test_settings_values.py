"""Types of values: what is converted, what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from kombu import Queue


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("task_acks_late", "false", False),
        ("task_acks_late", "No", False),
        ("task_acks_late", "1", True),
        ("task_acks_late", 0, False),
        ("worker_concurrency", "4", 4),
        ("worker_concurrency", "auto", "auto"),
        ("worker_prefetch_multiplier", "2", 2),
        ("task_time_limit", "2.5", 2.5),
        ("task_time_limit", timedelta(minutes=2), 120.0),
        ("result_expires", timedelta(days=1), timedelta(days=1)),
        ("result_expires", None, None),
        ("broker_connection_max_retries", None, None),
        ("broker_heartbeat_checkrate", 3.0, 3.0),
        ("accept_content", "json", ["json"]),
        ("accept_content", ("json", "msgpack"), ["json", "msgpack"]),
        ("imports", "shop.tasks", ["shop.tasks"]),
        ("broker_use_ssl", True, True),
        ("broker_use_ssl", {"ssl_cert_reqs": 2}, {"ssl_cert_reqs": 2}),
        ("task_queues", [Queue("a")], [Queue("a")]),
        ("task_default_delivery_mode", 1, 1),
        ("security_key_password", b"x", b"x"),
        ("task_routes", [("a.*", {"queue": "b"})], [("a.*", {"queue": "b"})]),
        ("redis_socket_timeout", None, None),
    ],
)
def test_a_value_that_fits_is_taken(read, name, value, expected):
    got = read({"CELERY": {name: value}}).celery[name]
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("task_acks_late", "perhaps", "expected True or False, got a value of type str."),
        ("task_acks_late", 2, "expected True or False, got a value of type int."),
        (
            "task_acks_late",
            None,
            "expected a value; leave the key out for Celery's default, got None.",
        ),
        ("worker_prefetch_multiplier", "many", "expected a whole number, got a value of type str."),
        ("worker_prefetch_multiplier", 1.5, "expected a whole number, got a value of type float."),
        ("worker_prefetch_multiplier", True, "expected a whole number, got a value of type bool."),
        ("task_time_limit", float("nan"), "expected a number, got a value of type float."),
        ("task_time_limit", [1], "expected a number, got a value of type list."),
        (
            "worker_concurrency",
            0,
            'expected a whole number above 0, or "auto", got a value of type int.',
        ),
        (
            "accept_content",
            "json,msgpack",
            'expected a list of names, such as ["json"], got a value of type str.',
        ),
        ("beat_schedule", ["x"], "expected a dict, got a value of type list."),
        ("broker_transport_options", "x=1", "expected a dict, got a value of type str."),
        (
            "broker_transport_options",
            {"visibility_timeout": "1 h"},
            'expected a number for "visibility_timeout", got a value of type str.',
        ),
        (
            "redis_password",
            12345,
            "expected text; in an environment variable put it in double quotes, got a value of"
            " type int.",
        ),
        ("broker_url", [], "expected a URL or a list of URLs, got a value of type list."),
        ("task_queues", "a", "expected a dict or a list of kombu.Queue, got a value of type str."),
        (
            "task_serializer",
            None,
            "expected a value; leave the key out for Celery's default, got None.",
        ),
    ],
)
def test_a_value_of_a_wrong_type_is_an_error_that_says_what_is_expected(
    problems_of, name, value, problem
):
    assert problems_of({"CELERY": {name: value}}) == [f'CELERY["{name}"]: {problem}']


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_url_is_no_url(read, nothing):
    settings = read({"CELERY_BROKER_URL": nothing, "CELERY": {"result_backend": nothing}})
    assert settings.broker_url is None
    assert settings.result_backend is None


def test_numbers_inside_transport_options_may_come_as_text(read):
    options = {"visibility_timeout": "600", "socket_timeout": "2.5"}
    got = read({"CELERY_BROKER_TRANSPORT_OPTIONS": options}).celery["broker_transport_options"]
    assert (got["visibility_timeout"], got["socket_timeout"]) == (600, 2.5)


@pytest.mark.parametrize(
    ("key", "value", "field", "expected"),
    [
        ("CELERIAC_EXTRA_KEYS", "A,B", "extra_keys", frozenset({"A", "B"})),
        ("CELERIAC_REQUEST_ID_HEADER", "X-Trace", "request_id_header", "X-Trace"),
        ("CELERIAC_REQUIRE_DURABLE", "true", "require_durable", True),
        ("CELERIAC_RESULT_TIMEOUT", "1.5", "result_timeout_s", 1.5),
        ("CELERIAC_RESULT_TIMEOUT", timedelta(minutes=1), "result_timeout_s", 60.0),
        ("CELERIAC_RESULT_TIMEOUT", None, "result_timeout_s", 30.0),
        ("CELERIAC_STATE_DIR", "run", "state_dir", "run"),
        ("CELERIAC_TASK_PACKAGES", ["shop.mail"], "task_packages", ("shop.mail",)),
        ("CELERIAC_TASK_PACKAGES", "shop, mail", "task_packages", ("shop", "mail")),
        ("CELERIAC_TRANSPORT", "kombu", "transport", "kombu"),
    ],
)
def test_each_own_key_is_read(read, key, value, field, expected):
    assert getattr(read({key: value}), field) == expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("CELERIAC_EXTRA_KEYS", 3, "a list of names, or names with commas between them, got int."),
        (
            "CELERIAC_REQUEST_ID_HEADER",
            "a b",
            "the name of a header, such as X-Request-ID, got str.",
        ),
        ("CELERIAC_REQUIRE_DURABLE", "maybe", "True or False, got str."),
        ("CELERIAC_RESULT_TIMEOUT", 0, "a number of seconds above 0, got int."),
        ("CELERIAC_RESULT_TIMEOUT", "soon", "a number, got str."),
        ("CELERIAC_STATE_DIR", 3, "the path of a folder, got int."),
        (
            "CELERIAC_TASK_PACKAGES",
            ["a-b"],
            'names of packages, such as ["shop.reports"], got list.',
        ),
        ("CELERIAC_TRANSPORT", "amqp", '"celeriac" or "kombu", got str.'),
        ("CELERIAC_TRANSPORT", ["kombu"], '"celeriac" or "kombu", got list.'),
    ],
)
def test_a_wrong_value_of_an_own_key_is_an_error(problems_of, key, value, expected):
    assert problems_of({key: value}) == [f"{key}: expected {expected}"]


def test_all_problems_come_in_one_error(problems_of):
    config = {
        "CELERIAC_TASK_PACKAGE": "a",
        "CELERY_BROKR_URL": "x",
        "CELERY": {"task_acks_late": "perhaps", "accept_content": ["pickle"]},
    }
    assert len(problems_of(config, is_production=True)) == 5
