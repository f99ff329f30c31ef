"""Stock URLs and ours."""

from __future__ import annotations

import pytest

from flask_celeriac.record.urls import celery_form, ours, shown_form, stock

PAIRS = [
    ("redis://h:1/2", "celeriac-redis://h:1/2"),
    ("rediss://u:p@h/2?ssl_cert_reqs=none", "celeriac-rediss://u:p@h/2?ssl_cert_reqs=none"),
    ("redis+socket:///run/r.sock?virtual_host=1", "celeriac-socket:///run/r.sock?virtual_host=1"),
    ("sentinel://a:1/0;sentinel://b:2/0", "celeriac-sentinel://a:1/0;celeriac-sentinel://b:2/0"),
    ("redis://:a;b@h", "celeriac-redis://:a;b@h"),
]


@pytest.mark.parametrize(("theirs", "own"), PAIRS)
def test_a_stock_url_has_a_form_of_ours_and_back(theirs: str, own: str) -> None:
    assert ours(theirs) == own
    assert stock(own) == theirs


@pytest.mark.parametrize(("theirs", "own"), PAIRS)
def test_a_mapped_url_is_mapped_no_further(theirs: str, own: str) -> None:
    assert ours(own) == own
    assert stock(theirs) == theirs


@pytest.mark.parametrize(
    "url", ["", "redis", "db+sqlite:///x", "rpc://", "disabled://", "my.module:Backend", "amqp://h"]
)
def test_what_is_not_redis_stays_as_it_is(url: str) -> None:
    assert ours(url) == stock(url) == url


def test_a_socket_has_the_form_that_celery_hands_to_its_backend() -> None:
    assert celery_form("celeriac-socket:///run/r.sock") == "socket:///run/r.sock"
    assert shown_form("socket:///run/r.sock") == "redis+socket:///run/r.sock"
