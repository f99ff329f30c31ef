"""The functions of Celery and kombu that others replace, as their authors wrote them.

Tracers (Sentry, Datadog, New Relic) put functions of their own in the place of these. What goes
past them may do so only while nobody did: this module keeps what was there when it was imported,
and says whether it still is.
"""

from __future__ import annotations

import sys
from types import FunctionType
from typing import Any

from celery import Celery
from celery import Task as CeleryTask
from celery.app.amqp import AMQP
from celery.app.routes import Router
from kombu import Producer
from kombu.pools import ProducerPool

_NAMES: tuple[tuple[type[Any], str], ...] = (
    (CeleryTask, "apply_async"),
    (CeleryTask, "shadow_name"),
    (Celery, "send_task"),
    (Celery, "producer_or_acquire"),
    (AMQP, "as_task_v2"),
    (Router, "route"),
    (Producer, "publish"),
    (ProducerPool, "acquire"),
)


def is_as_written(function: Any) -> bool:
    """Tell whether *function* is one that its module defines, and no wrapper of it."""
    # What `functools.wraps` made keeps the name of its module, but not these globals.
    module = sys.modules[function.__module__]
    return type(function) is FunctionType and function.__globals__ is vars(module)


def _original(owner: type[Any], name: str) -> Any:
    """Return the function; an object that nothing is when it was replaced before we came."""
    found = getattr(owner, name)
    return found if is_as_written(found) else object()


_ORIGINALS = tuple((owner, name, _original(owner, name)) for owner, name in _NAMES)
apply_async = _ORIGINALS[0][2]
shadow_name = _ORIGINALS[1][2]
send_task = _ORIGINALS[2][2]


def are_in_place() -> bool:
    """Tell whether nobody has replaced any of them."""
    for owner, name, function in _ORIGINALS:  # noqa: SIM110 - a generator takes twice as long
        if getattr(owner, name) is not function:
            return False
    return True
