"""Join a Celery app to our Redis transport, and its worker to what looks after claims.

What not every process needs is named, not imported: a web process never loads a worker's parts.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from celery import Celery

from .redis import urls

AMQP = "flask_celeriac.transport.amqp:AMQP"
CONTROL = "flask_celeriac.transport.control:Control"
CONSUMER = "flask_celeriac.execute.consumer:Consumer"
OWN_POOLS = "flask_celeriac.execute.own_pools:OwnPools"
CLAIMS = "flask_celeriac.execute.claims:Claims"
_URLS = ("broker_url", "broker_read_url", "broker_write_url")


def attach(celery: Any, configuration: MutableMapping[str, Any]) -> None:
    """Let *celery* reach its Redis brokers by our transport; safe to repeat.

    Args:
        celery: The Celery app; it stays unconfigured, and nothing is connected.
        configuration: What it will be configured with, in new lower-case names. Its broker
            URLs get our schemes where they have a stock scheme of Redis. A `worker_consumer`
            of the user's own stays: with it, unknown tasks are not parked, and an unsafe server
            is not refused. A part of its own for `amqp` or `control` stays too: the URL is
            then shown with our scheme, or a revoked task runs once all workers have started anew.
    """
    urls.register()
    for name in _URLS:
        if url := configuration.get(name):
            configuration[name] = _with_our_scheme(url)
    configuration.setdefault("worker_consumer", CONSUMER)
    celery.steps["worker"].add(OWN_POOLS)
    celery.steps["consumer"].add(CLAIMS)
    _replace(celery, "amqp", AMQP)
    _replace(celery, "control", CONTROL)


def _with_our_scheme(url: Any) -> Any:
    if isinstance(url, str):
        return urls.ours(url)
    return [urls.ours(part) if isinstance(part, str) else part for part in url]


def _replace(celery: Any, part: str, ours: str) -> None:
    """Let *celery* make *part* of our class, unless it has a class of the user's."""
    name = f"{part}_cls"
    if getattr(celery, name) == getattr(Celery, name):
        setattr(celery, name, ours)
        # It may have been made already: Celery keeps it.
        celery.__dict__.pop(part, None)
