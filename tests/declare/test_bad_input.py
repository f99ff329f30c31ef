"""What is wrong is named, soon, and nothing is lost."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import pytest
from kombu.exceptions import EncodeError, OperationalError

from flask_celeriac.errors import ArgumentsNotJSON


@pytest.fixture
def add(celeriac):
    @celeriac.task(name="shop.add")
    def add(x: object) -> object:
        return x

    return add


@pytest.mark.parametrize("is_eager", [False, True])
def test_arguments_that_are_not_json_are_named_with_their_task(celeriac, make_app, add, is_eager):
    app = make_app(celeriac=celeriac, CELERY_TASK_ALWAYS_EAGER=is_eager)
    for kind in (ArgumentsNotJSON, EncodeError, TypeError):
        with pytest.raises(kind, match=r"'shop.add'.*object.*Nothing was sent"):
            add.delay(object())
    if not is_eager:
        with pytest.raises(ArgumentsNotJSON, match=r"'shop.add'.*Nothing was sent"):
            app.extensions["celery"].send_task("shop.add", (object(),))


def test_wrong_arguments_are_refused_before_anything_is_sent(celeriac, make_app, add):
    app = make_app(celeriac=celeriac)
    with pytest.raises(TypeError, match="missing 1 required"):
        add.delay()
    assert app


@pytest.mark.parametrize(
    ("make_url", "reason"),
    [
        (lambda url: url.replace("redis://:", "redis://:not-"), "username-password|password"),
        (lambda url: "redis://127.0.0.1:1/0", "refused"),
    ],
    ids=["wrong-password", "nobody-listens"],
)
@pytest.mark.parametrize("has_backend", [True, False])
def test_a_broker_that_refuses_is_an_error_within_two_seconds(
    celeriac, make_app, add, redis_url, make_url, reason, has_backend
):
    url = make_url(redis_url)
    app = make_app(
        celeriac=celeriac,
        CELERY_BROKER_URL=url,
        CELERY_RESULT_BACKEND=url if has_backend else None,
    )
    began = time.monotonic()
    with pytest.raises(OperationalError, match=reason) as raised:
        add.delay(1)
    assert time.monotonic() - began < 2
    secret = urlsplit(url).password
    assert secret is None or secret not in str(raised.value)
    assert app
