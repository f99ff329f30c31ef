"""A password is nowhere to be seen: not in a repr, not in an error, not in a warning."""

from __future__ import annotations

import traceback

import pytest

from flask_celeriac.errors import ConfigurationError
from flask_celeriac.settings import CelerySettingWarning, mask_url

CANARY = "canary"
URLS = [
    f"redis://:{CANARY}@h/0",
    f"redis://u:{CANARY}@h:1/0;redis://:{CANARY}@h2/0",
    f"sentinel://:{CANARY}@a:1;b:2/0",
    f"redis+socket:///run/x.sock?password={CANARY}&virtual_host=1",
    f"amqp://u:{CANARY}@h//",
    [f"amqp://u:{CANARY}@h//", f"amqp://u:{CANARY}@i//"],
]
BROKEN_URLS = [
    f"rdis://:{CANARY}@h/0",
    f":{CANARY}@h:6379",
    f"{CANARY}://h",
    f"redis://:{CANARY}/{CANARY}@h/0",
    f"redis://:{CANARY}#{CANARY}@h/0",
    f"redis://:{CANARY}?{CANARY}@h/0",
    f"redis://{CANARY}@h/0",
    f"amqp://u:{CANARY};{CANARY}@h//",
    f"redis://:{CANARY}@h;zzz://:{CANARY}@h",
]
SECRETS = {
    "redis_password": CANARY,
    "broker_password": CANARY,
    "security_key_password": CANARY,
    "s3_secret_access_key": CANARY,
    "result_backend_transport_options": {"sentinel_kwargs": {"password": CANARY}},
    "broker_transport_options": {"sentinel_kwargs": {"password": CANARY}},
}


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_no_repr_shows_a_password(read, url):
    settings = read(
        {
            "CELERY_BROKER_URL": url,
            "CELERY_RESULT_BACKEND": f"redis://:{CANARY}@h/1",
            "CELERY": SECRETS,
        }
    )
    for shown in (settings, settings.celery, settings.worker, settings.profile):
        assert CANARY not in repr(shown)
        assert CANARY not in f"{shown}"
    assert CANARY in settings.broker_url
    assert settings.celery["redis_password"] == CANARY


@pytest.mark.parametrize("url", URLS + BROKEN_URLS[3:7], ids=range(len(URLS) + 4))
def test_a_masked_url_shows_no_password(url):
    assert CANARY not in str(mask_url(url))


def test_a_masked_url_still_says_which_server_it_is():
    assert mask_url("redis://u:p@h:6379/1?a=b") == "redis://u:********@h:6379/1?a=b"
    assert mask_url("a;b") == "a;b"
    assert mask_url(None) is None


@pytest.mark.parametrize("url", [*URLS[:-1], *BROKEN_URLS], ids=range(len(URLS) + 8))
def test_no_error_shows_a_password(read, url):
    wrong = {
        **SECRETS,
        "redis_username": [CANARY],
        "broker_transport_options": {"visibility_timeout": CANARY},
        "task_acks_late": CANARY,
        "task_time_limit": CANARY,
        "accept_content": [CANARY, "pickle"],
        "beat_schedule": {"x": CANARY},
        "broker_urll": url,
    }
    with pytest.raises(ConfigurationError) as caught:
        read(
            {
                "CELERY": wrong,
                "CELERY_BROKER_URL": url,
                "CELERY_RESULT_BACKEND": url,
                "BROKER_URL": f"redis://:{CANARY}@another",
                "CELERIAC_TRANSPORT": CANARY,
                "CELERIAC_RESULT_TIMEOUT": CANARY,
            },
            environ={"CELERY_BROKER_URL": f"redis://:{CANARY}@third"},
            is_production=True,
        )
    shown = "".join(traceback.format_exception(caught.value)).replace(f"{CANARY}://", "")
    assert CANARY not in shown


def test_no_warning_shows_a_password(read):
    with pytest.warns(CelerySettingWarning) as caught:
        read({"CELERY_ONCE": {"url": f"redis://:{CANARY}@h"}, "CELERY": {"zzz_yyy": CANARY}})
    assert CANARY not in str(caught[0].message)
