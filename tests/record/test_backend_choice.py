"""How the backend is chosen and connected."""

from __future__ import annotations

import pickle
import ssl
from importlib.metadata import entry_points
from typing import Any

import pytest
import redis
from celery import Celery, _state, states
from redis.sentinel import SentinelConnectionPool

from flask_celeriac.record.backend import RedisBackend, SentinelBackend


def backend_of(url: str, **conf: Any) -> Any:
    app = Celery("tests", set_as_current=False, backend=url, broker="memory://")
    app.conf.update(conf)
    return app.backend


@pytest.mark.parametrize(
    ("url", "kind", "shown"),
    [
        ("celeriac-redis://u:canary@h:1/2", RedisBackend, "redis://u:**@h:1/2"),
        ("celeriac-rediss://:canary@h:1/2", RedisBackend, "rediss://:**@h:1/2"),
        (
            "celeriac-socket://:canary@/run/r.sock?virtual_host=2",
            RedisBackend,
            "redis+socket://:**@/run/r.sock",
        ),
        (
            "celeriac-sentinel://:canary@a:1/2;celeriac-sentinel://:canary@b:1/2",
            SentinelBackend,
            "sentinel://:**@a:1/2;sentinel://:**@b:1/2",
        ),
    ],
)
def test_a_scheme_of_ours_chooses_ours_and_the_stock_one_is_shown(
    url: str, kind: type, shown: str
) -> None:
    backend = backend_of(url)
    assert type(backend) is kind
    assert backend.as_uri() == shown
    assert "canary" not in repr(backend) + str(backend) + repr(backend.result_consumer)


def test_the_schemes_are_declared_by_the_package() -> None:
    names = {point.name for point in entry_points(group="celery.result_backends")}
    assert {f"celeriac-{name}" for name in ("redis", "rediss", "socket", "sentinel")} <= names


def test_certificates_are_verified_unless_told_otherwise() -> None:
    plain = "celeriac-rediss://h/0"
    unsafe = {"ssl_cert_reqs": ssl.CERT_NONE}
    assert backend_of(plain).connparams["ssl_cert_reqs"] == ssl.CERT_REQUIRED
    assert backend_of(f"{plain}?ssl_cert_reqs=none").connparams["ssl_cert_reqs"] == ssl.CERT_NONE
    told = backend_of(plain, redis_backend_use_ssl=unsafe)
    assert told.connparams["ssl_cert_reqs"] == ssl.CERT_NONE
    encrypted = backend_of("celeriac-redis://h/0", redis_backend_use_ssl={"ssl_ca_certs": "x"})
    assert encrypted.connparams["ssl_cert_reqs"] == ssl.CERT_REQUIRED


def test_the_listener_of_a_sentinel_backend_asks_for_the_master() -> None:
    options = {"master_name": "m", "sentinel_kwargs": {"password": "x"}}
    backend = backend_of("celeriac-sentinel://a:1/2", result_backend_transport_options=options)
    pool = backend.result_consumer.registry.listener._client.connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.connection_kwargs["socket_timeout"] == 5.0


def test_a_socket_s_listener_needs_no_time_limit_for_connecting() -> None:
    backend = backend_of("celeriac-socket:///run/r.sock?virtual_host=2")
    pool = backend.result_consumer.registry.listener._client.connection_pool
    assert isinstance(pool.make_connection(), redis.UnixDomainSocketConnection)


def test_a_backend_survives_pickling(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_state._tls, "current_app", app)
    copy = pickle.loads(pickle.dumps(app.backend))
    assert type(copy) is RedisBackend
    assert copy.as_uri(include_password=True) == app.backend.as_uri(include_password=True)
    copy.store_result("a", 1, states.SUCCESS)
    assert app.AsyncResult("a").get(timeout=5) == 1


def test_what_we_use_of_redis_py_and_celery_beyond_their_documents_is_there(app: Celery) -> None:
    """Named in `subscription.py`, `watch.py` and `consumer.py`."""
    connection = app.backend.client.connection_pool.get_connection()
    assert connection._sock.fileno() > 0
    connection.disconnect()
    assert connection._sock is None
    app.backend.client.connection_pool.release(connection)
    result = app.AsyncResult("a")
    assert result._cache is None
    assert callable(result._maybe_set_cache)
    assert not result.on_ready.ready
    assert app.backend.thread_safe
    assert app.backend is app.backend
