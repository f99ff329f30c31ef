"""Contradictions, unsafe settings, unknown servers: each an error with its remedy."""

from __future__ import annotations

from datetime import timedelta

import pytest
from celery import Celery
from celery.schedules import crontab

from flask_celeriac.errors import BrokerMissing, ConfigurationError

REDIS = "redis://localhost:6379/0"
OTHER = "redis://localhost:6379/1"


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            {"CELERY": {"broker_url": REDIS}, "CELERY_BROKER_URL": OTHER},
            'CELERY_BROKER_URL: contradicts CELERY["broker_url"]; both are names of one setting'
            " (broker_url) and their values differ. Keep one of them.",
        ),
        (
            {"CELERY_ALWAYS_EAGER": True, "CELERY_TASK_ALWAYS_EAGER": False},
            "CELERY_TASK_ALWAYS_EAGER: contradicts CELERY_ALWAYS_EAGER; both are names of one"
            " setting (task_always_eager) and their values differ. Keep one of them.",
        ),
        (
            {"CELERY_BACKEND_URL": REDIS, "CELERY_RESULT_BACKEND": OTHER},
            "CELERY_RESULT_BACKEND: contradicts CELERY_BACKEND_URL; both are names of one setting"
            " (result_backend) and their values differ. Keep one of them.",
        ),
    ],
)
def test_one_setting_with_two_values_is_an_error_that_names_both_keys(problems_of, config, problem):
    assert problems_of(config) == [problem]


def test_one_setting_with_the_same_value_twice_is_fine(read):
    config = {
        "CELERY": {"broker_url": [REDIS, OTHER], "accept_content": ("json",)},
        "CELERY_BROKER_URL": f"{REDIS};{OTHER}",
        "CELERY_ACCEPT_CONTENT": ["json"],
    }
    assert read(config).broker_url == f"{REDIS};{OTHER}"


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("CELERY_BROKER_URL", "CELERY_BROKER_URL"),
        ("CELERY_RESULT_BACKEND", "CELERY_BACKEND_URL"),
        ("CELERY_BROKER_READ_URL", "CELERY_BROKER_READ_URL"),
        ("CELERY_BROKER_WRITE_URL", "CELERY_BROKER_WRITE_URL"),
    ],
)
def test_an_environment_variable_that_celery_would_silently_prefer_is_an_error(
    read, problems_of, variable, key
):
    (problem,) = problems_of({key: REDIS}, environ={variable: OTHER})
    assert problem.startswith(f"{key}: the environment variable {variable} ")
    assert "Unset the variable, or read the configuration from it." in problem
    read({key: REDIS}, environ={variable: REDIS})


def test_celerys_environment_variables_are_used_where_the_app_says_nothing(read):
    environ = {"CELERY_BROKER_URL": REDIS, "CELERY_RESULT_BACKEND": OTHER}
    settings = read({}, environ=environ, is_production=True, embedded_url="redis://embedded")
    assert (settings.broker_url, settings.result_backend) == (REDIS, OTHER)
    assert settings.celery["broker_url"] == REDIS
    assert not settings.is_embedded


def test_an_unknown_scheme_in_the_environment_names_the_variable(problems_of):
    (problem,) = problems_of({}, environ={"CELERY_BROKER_URL": "rabbit://h"})
    assert problem.startswith("environment variable CELERY_BROKER_URL: unknown scheme")


def test_always_eager_is_refused_in_production_only(read, problems_of):
    config = {"CELERY_BROKER_URL": REDIS, "CELERY_ALWAYS_EAGER": True}
    assert problems_of(config, is_production=True) == [
        "CELERY_ALWAYS_EAGER: in production tasks would run inside the request, and no worker would"
        " see them. Remove the key, or set it in the configuration of tests only."
    ]
    assert read(config).celery["task_always_eager"] is True
    read(config, is_production=True, environ={"CELERIAC_UP": "1"})


@pytest.mark.parametrize("name", ["accept_content", "result_accept_content"])
@pytest.mark.parametrize(
    ("content", "unsafe"),
    [
        ("pickle", "pickle"),
        ("yaml", "yaml"),
        ("application/x-python-serialize", "pickle"),
        ("application/x-yaml", "yaml"),
    ],
)
def test_content_that_can_execute_code_is_refused(problems_of, name, content, unsafe):
    key = f"CELERY_{name.upper()}"
    assert problems_of({key: ["json", content]}) == [
        f"{key}: {unsafe} lets anyone who can write to the broker execute code here."
        f' Remove "{unsafe}" and send JSON.'
    ]


@pytest.mark.parametrize("name", ["task_serializer", "result_serializer", "event_serializer"])
def test_serializers_that_nobody_may_or_does_accept_are_refused(read, problems_of, name):
    assert problems_of({"CELERY": {name: "pickle"}}) == [
        f'CELERY["{name}"]: pickle can execute code when it is read. Set it to "json" or leave the'
        " key out."
    ]
    (problem,) = problems_of({"CELERY": {name: "msgpack"}})
    assert problem.startswith(f'CELERY["{name}"]: nobody here accepts "msgpack". Add it to ')
    read({"CELERY": {name: "msgpack", "accept_content": ["json", "application/x-msgpack"]}})


@pytest.mark.parametrize("url", [REDIS, "rediss://h:6379", "sentinel://h:26379", None])
def test_retry_on_timeout_is_refused_on_redis(read, problems_of, url):
    options = {"CELERY_BROKER_TRANSPORT_OPTIONS": {"retry_on_timeout": True}}
    assert problems_of({"CELERY_BROKER_URL": url, **options}) == [
        "CELERY_BROKER_TRANSPORT_OPTIONS: retry_on_timeout makes a worker on Redis hang for ever,"
        " silently, after one broken connection. Remove it: workers reconnect without it."
    ]
    read({"CELERY_BROKER_URL": url, "CELERY_BROKER_TRANSPORT_OPTIONS": {"retry_on_timeout": False}})


def test_retry_on_timeout_of_another_broker_or_of_the_results_is_not_our_business(read):
    options = {"retry_on_timeout": True}
    read({"CELERY_BROKER_URL": "amqp://h", "CELERY_BROKER_TRANSPORT_OPTIONS": options})
    read({"CELERY_BROKER_URL": REDIS, "CELERY_REDIS_RETRY_ON_TIMEOUT": True})


def test_a_soft_limit_above_the_hard_one_is_refused(read, problems_of):
    config = {"CELERY_TASK_SOFT_TIME_LIMIT": 20, "CELERYD_TASK_TIME_LIMIT": timedelta(seconds=10)}
    assert problems_of(config) == [
        "CELERY_TASK_SOFT_TIME_LIMIT: 20 s is above the hard limit CELERYD_TASK_TIME_LIMIT of 10 s,"
        " so the soft limit would never be reached. Set it below the hard one."
    ]
    read({"CELERY": {"task_soft_time_limit": 10, "task_time_limit": 20}})


@pytest.mark.parametrize("name", ["task_soft_time_limit", "task_time_limit"])
@pytest.mark.parametrize("limit", [0, -1, float("inf")])
def test_a_limit_must_be_above_zero_and_end(problems_of, name, limit):
    assert problems_of({"CELERY": {name: limit}}) == [
        f'CELERY["{name}"]: a limit must be above 0 seconds and end. Leave the key out for none.'
    ]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("rdis://h", 'unknown scheme "rdis://". Did you mean "redis://"?'),
        ("ampq://h", 'unknown scheme "ampq://". Did you mean "amqp://"?'),
        ("zzz://h", 'unknown scheme "zzz://". Known are amqp, '),
        ("localhost:6379", "a URL is expected, such as redis://localhost:6379/0; this does not"),
        (f"{REDIS};zzz://h", 'unknown scheme "zzz://".'),
        ([REDIS, "zzz://h"], 'unknown scheme "zzz://".'),
        ("redis://:ca/nary@h/0", "this can not be read as a URL. If the password holds one of"),
        ("redis://:12/nary@h/0", "this can not be read as a URL. If the password holds one of"),
        ("redis://:12#nary@h/0", "this can not be read as a URL. If the password holds one of"),
        ("amqp://u:ca;nary@h//", "this can not be read as a URL. If the password holds one of"),
    ],
)
def test_a_broker_that_kombu_can_not_open_is_an_error(problems_of, url, problem):
    (line,) = problems_of({"CELERY_BROKER_URL": url})
    assert line.startswith(f"CELERY_BROKER_URL: {problem}")
    assert "nary" not in line


@pytest.mark.parametrize(
    "url",
    [
        REDIS,
        "redis+socket:///run/redis/a@b.sock?virtual_host=1",
        "rediss://:p%2Fw@h:6379/0?ssl_cert_reqs=required",
        "sentinel://:p@a:26379;b:26379",
        "amqp://guest:guest@h//;amqp://guest:guest@i//",
        "amqps://h",
        "memory://",
        "SQS://",
        "sqla+sqlite:///x.db",
    ],
)
def test_every_kind_of_broker_that_kombu_knows_is_accepted(read, url):
    assert read({"CELERY_BROKER_URL": url}, is_production=True).broker_url == url


@pytest.mark.parametrize(
    "backend",
    [
        "rpc",
        "rpc://",
        "db+sqlite:///x.db",
        "cache+memory://",
        "file:///tmp/x",
        "shop.results:Backend",
    ],
)
def test_every_kind_of_result_backend_that_celery_knows_is_accepted(read, backend):
    assert read({"CELERY_RESULT_BACKEND": backend}).result_backend == backend


@pytest.mark.parametrize("backend", ["disabled", "disabled://"])
def test_disabled_results_are_no_result_backend(read, backend):
    assert read({"CELERY_RESULT_BACKEND": backend}).result_backend is None


def test_an_unknown_result_backend_is_an_error(problems_of):
    (problem,) = problems_of({"CELERY_RESULT_BACKEND": "rediis://h"})
    assert problem == (
        'CELERY_RESULT_BACKEND: unknown scheme "rediis://". Did you mean "redis://"?'
    )


def test_no_broker_in_production_says_what_to_set(read):
    with pytest.raises(BrokerMissing) as caught:
        read({}, is_production=True, embedded_url="redis://embedded")
    assert "Set CELERY_BROKER_URL, such as redis://" in str(caught.value)
    assert "`flask celery up`" in str(caught.value)


def test_no_broker_in_production_beside_other_problems_is_one_of_them(read):
    with pytest.raises(ConfigurationError) as caught:
        read({"CELERIAC_TRANSPORT": "x"}, is_production=True)
    assert not isinstance(caught.value, BrokerMissing)
    assert "No broker is configured." in str(caught.value)
    assert "CELERIAC_TRANSPORT" in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("x", "a dict with task and schedule is expected, got str."),
        (
            {"task": "a", "shedule": 3, "schedule": 3},
            "unknown key 'shedule'. Did you mean schedule?",
        ),
        ({"task": "a", "schedule": 3, "zzz": 1}, "unknown key 'zzz'. Known are args, kwargs, "),
        ({"schedule": 3}, '"task" must be the name of a task, or a task.'),
        ({"task": 7, "schedule": 3}, '"task" must be the name of a task, or a task.'),
        ({"task": "a"}, '"schedule" must be a number of seconds above 0, a timedelta, or a'),
        ({"task": "a", "schedule": 0}, '"schedule" must be a number of seconds above 0'),
        ({"task": "a", "schedule": True}, '"schedule" must be a number of seconds above 0'),
        ({"task": "a", "schedule": "60"}, '"schedule" must be a number of seconds above 0'),
        ({"task": "a", "schedule": timedelta(0)}, '"schedule" must be a number of seconds above 0'),
        (
            {"task": "a", "schedule": 3, "args": "word"},
            '"args" must be a list or tuple; one argument is written (value,).',
        ),
        ({"task": "a", "schedule": 3, "kwargs": []}, '"kwargs" must be a dict.'),
        ({"task": "a", "schedule": 3, "options": 1}, '"options" must be a dict.'),
    ],
)
def test_a_wrong_entry_of_the_beat_schedule_is_named(problems_of, entry, problem):
    (line,) = problems_of({"CELERYBEAT_SCHEDULE": {"nightly": entry}})
    assert line.startswith(f"CELERYBEAT_SCHEDULE, entry 'nightly': {problem}")


def test_a_good_beat_schedule_is_kept_and_tasks_become_names(read):
    app = Celery("shop", set_as_current=False)

    @app.task(name="shop.mail", shared=False)
    def mail() -> None:
        """Do nothing."""

    schedule = {
        "a": {"task": mail, "schedule": 60.0, "args": ("x",)},
        "b": {"task": "shop.mail", "schedule": crontab(minute=0), "options": {"expires": 5}},
        "c": {"task": "shop.mail", "schedule": timedelta(hours=1), "kwargs": {}, "relative": True},
    }
    got = read({"CELERY": {"beat_schedule": schedule}}).celery["beat_schedule"]
    assert got == {**schedule, "a": {**schedule["a"], "task": "shop.mail"}}
    assert schedule["a"]["task"] is mail
