"""Names under which a setting of Celery may be written."""

from __future__ import annotations

import warnings

import celery.app.defaults as celery_defaults
import pytest
from flask import Flask

from flask_celeriac.settings import CelerySettingWarning
from flask_celeriac.settings.names import flat_name, new_name, option_of

REDIS = "redis://localhost:6379/0"


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("CELERY_BROKER_URL", REDIS, "broker_url"),
        ("BROKER_URL", REDIS, "broker_url"),
        ("BROKER_TRANSPORT_OPTIONS", {"sep": "-"}, "broker_transport_options"),
        ("CELERY_BACKEND_URL", REDIS, "result_backend"),
        ("CELERY_RESULT_BACKEND", REDIS, "result_backend"),
        ("CELERYBEAT_SCHEDULE", {}, "beat_schedule"),
        ("CELERY_BEAT_SCHEDULE", {}, "beat_schedule"),
        ("CELERY_TASK_ALWAYS_EAGER", True, "task_always_eager"),
        ("CELERY_ALWAYS_EAGER", True, "task_always_eager"),
        ("CELERYD_CONCURRENCY", 3, "worker_concurrency"),
        ("CELERY_WORKER_CONCURRENCY", 3, "worker_concurrency"),
        ("CELERY_ACCEPT_CONTENT", ["json"], "accept_content"),
        ("CELERY_TASK_SERIALIZER", "json", "task_serializer"),
        ("CELERY_TIMEZONE", "Europe/Paris", "timezone"),
        ("CELERY_TASK_RESULT_EXPIRES", 60, "result_expires"),
        ("CELERYD_TASK_TIME_LIMIT", 60, "task_time_limit"),
    ],
)
def test_a_flat_name_of_either_generation_is_translated(read, key, value, name):
    settings = read({key: value})
    got = settings.celery[name]
    assert got == value or value.items() <= got.items()


@pytest.mark.parametrize(
    "key", ["broker_url", "BROKER_URL", "CELERY_BROKER_URL"], ids=["new", "old", "prefixed"]
)
def test_the_celery_dict_takes_new_and_old_names(read, key):
    assert read({"CELERY": {key: REDIS}}).broker_url == REDIS


def test_settings_come_through_prefixed_environment_variables(read, monkeypatch):
    monkeypatch.setenv("FLASK_CELERY__broker_url", REDIS)
    monkeypatch.setenv("FLASK_CELERY__TASK_ACKS_LATE", "false")
    monkeypatch.setenv("FLASK_CELERY_WORKER_CONCURRENCY", "4")
    monkeypatch.setenv("FLASK_CELERY__broker_transport_options__visibility_timeout", "7200")
    monkeypatch.setenv("FLASK_CELERIAC_TASK_PACKAGES", "shop.reports,shop.mail")
    app = Flask(__name__)
    app.config.from_prefixed_env()
    settings = read(app.config)
    assert settings.broker_url == REDIS
    assert settings.celery["task_acks_late"] is False
    assert settings.celery["worker_concurrency"] == 4
    assert settings.celery["broker_transport_options"]["visibility_timeout"] == 7200
    assert settings.task_packages == ("shop.reports", "shop.mail")


@pytest.mark.parametrize(
    ("config", "meant"),
    [
        ({"CELERY_BROKR_URL": REDIS}, "Did you mean CELERY_BROKER_URL?"),
        ({"BROKER_URLL": REDIS}, "Did you mean CELERY_BROKER_URL?"),
        ({"CELERY_BROKER": REDIS}, "Did you mean CELERY_BROKER_URL?"),
        ({"CELERY_BACKEND": REDIS}, "Did you mean CELERY_RESULT_BACKEND?"),
        ({"CELERY_RESULT_BACKEND_URL": REDIS}, "Did you mean CELERY_RESULT_BACKEND?"),
        ({"CELERY": {"task_late_acks": True}}, "Did you mean task_acks_late?"),
        ({"CELERY": {"time_limt": 3}}, None),
        ({"CELERY": {"task_time_limt": 3}}, "Did you mean task_time_limit?"),
        ({"CELERY_TASK_TIME_LIMTI": 3}, "Did you mean CELERY_TASK_TIME_LIMIT?"),
        ({"CELRY_BROKER_URL": REDIS}, "Did you mean CELERY_BROKER_URL?"),
        ({"CELERAIC_RESULT_TIMEOUT": 3}, "Did you mean CELERIAC_RESULT_TIMEOUT?"),
        ({"CELERIAC_TASK_PACKAGE": ["a"]}, "Did you mean CELERIAC_TASK_PACKAGES?"),
    ],
)
def test_a_misspelt_key_is_an_error_that_names_the_right_one(read, problems_of, config, meant):
    if meant is None:
        with pytest.warns(CelerySettingWarning):
            read(config)
        return
    (problem,) = problems_of(config)
    key = next(iter(config))
    written = f'CELERY["{next(iter(config[key]))}"]' if key == "CELERY" else key
    assert problem.startswith(f"{written}: ")
    assert meant in problem


def test_an_unknown_own_key_unlike_any_other_is_answered_with_all_of_them(problems_of):
    (problem,) = problems_of({"CELERIAC_ZZZ": 1})
    assert problem.startswith("CELERIAC_ZZZ: Flask-Celeriac has no such setting. Known are ")
    assert "CELERIAC_TASK_PACKAGES" in problem


def test_an_unknown_key_of_another_package_is_warned_about_once_for_all(read):
    with pytest.warns(CelerySettingWarning) as caught:
        settings = read({"CELERY_ONCE": {"backend": "x"}, "CELERY": {"redbeat_redis_url": REDIS}})
    (warning,) = caught
    assert "CELERY_ONCE, redbeat_redis_url" in str(warning.message)
    assert "CELERIAC_EXTRA_KEYS" in str(warning.message)
    assert settings.celery["redbeat_redis_url"] == REDIS
    assert "once" not in settings.celery


def test_a_named_extra_key_is_silent_and_goes_to_celery(read):
    settings = read(
        {
            "CELERY_ONCE": {"backend": "x"},
            "CELERY": {"redbeat_redis_url": REDIS, "broker_uri": "theirs"},
            "CELERIAC_EXTRA_KEYS": ["CELERY_ONCE", "redbeat_redis_url", "broker_uri"],
        }
    )
    assert settings.celery["once"] == {"backend": "x"}
    assert settings.celery["redbeat_redis_url"] == REDIS
    assert settings.celery["broker_uri"] == "theirs"


def test_keys_of_other_extensions_are_left_alone(read):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings = read(
            {
                "S3_BUCKET": "b",
                "CACHE_TYPE": "x",
                "CORS_ORIGINS": 1,
                "BROKER_NAME": 2,
                "SECRET_KEY": 3,
            }
        )
    assert "s3_bucket" not in settings.celery


def test_the_tables_of_names_agree_with_celerys_private_ones():
    for old, new in celery_defaults._TO_NEW_KEY.items():
        assert new_name(old) == new
    for new in celery_defaults.DEFAULTS:
        assert new_name(new) == new
        assert flat_name(f"CELERY_{new.upper()}") == new
        assert option_of(new) is not None


def test_something_else_than_a_dict_under_celery_is_an_error(problems_of):
    (problem,) = problems_of({"CELERY": "redis://:canary@h"})
    assert problem == (
        "CELERY: a dict of Celery's settings is expected, this is a value of type str."
        ' Write CELERY = {"broker_url": ...}.'
    )


def test_a_key_that_is_no_text_is_an_error(problems_of):
    assert problems_of({"CELERY": {1: 2}}) == [
        "CELERY: every key must be text, one is a value of type int."
    ]


def test_the_variables_of_our_own_commands_are_no_settings(read):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "up_port" not in read({"CELERY_UP_PORT": 5001}).celery
