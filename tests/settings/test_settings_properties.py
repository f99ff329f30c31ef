"""What holds for every configuration."""

from __future__ import annotations

import copy
import string
import warnings
from datetime import timedelta

from celery.app.defaults import SETTING_KEYS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_celeriac.errors import ConfigurationError
from flask_celeriac.settings import read_settings

URLS = st.sampled_from(["redis://:p@h/0", "amqp://u:p@h//", "memory://", "zzz://", "", None])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5000),
    st.floats(allow_nan=False),
    st.text(string.ascii_letters + "0123456789:/@;", max_size=12),
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=9)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["task", "schedule", "args", "socket_timeout"]), inner)
    ),
    max_leaves=6,
)
NEW_NAMES = st.sampled_from([*sorted(SETTING_KEYS), "unknown_thing"])
FLAT_NAMES = NEW_NAMES.map(lambda name: f"CELERY_{name.upper()}") | st.sampled_from(
    ["CELERIAC_TASK_PACKAGES", "CELERIAC_RESULT_TIMEOUT", "CELERYD_CONCURRENCY", "SECRET_KEY"]
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "CELERY": st.dictionaries(NEW_NAMES, VALUES, max_size=4),
        "CELERY_BROKER_URL": URLS,
        "CELERY_RESULT_BACKEND": URLS,
    },
).flatmap(
    lambda config: st.dictionaries(FLAT_NAMES, VALUES, max_size=3).map(lambda flat: flat | config)
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(config=CONFIGS, is_production=st.booleans())
def test_reading_never_writes_to_the_configuration_and_is_repeatable(config, is_production):
    before = copy.deepcopy(config)
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            try:
                results.append(read_settings(config, is_production=is_production, environ={}))
            except ConfigurationError as error:
                results.append(str(error))
    assert config == before
    assert results[0] == results[1]


@settings(max_examples=100, deadline=None)
@given(config=CONFIGS)
def test_what_is_kept_is_a_copy(config):
    before = copy.deepcopy(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            kept = read_settings(config, is_production=False, environ={})
        except ConfigurationError:
            return
    for value in (*kept.celery.values(), *kept.worker.values()):
        if isinstance(value, (dict, list)):
            value.clear()
    assert config == before


ODD_VALUES = [
    *(None, True, 0, -1, 1.5, float("inf"), float("nan"), "", ";", "x", "://", "redis://[::1/0"),
    *(b"x", [], [""], [[]], {}, {1: 2}, set(), object(), object, timedelta(1)),
]


def test_nothing_but_a_configuration_error_comes_out_of_any_value():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in sorted(SETTING_KEYS):
            for value in ODD_VALUES:
                try:
                    repr(read_settings({"CELERY": {name: value}}, is_production=False, environ={}))
                except ConfigurationError:
                    continue
