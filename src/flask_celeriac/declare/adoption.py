"""A Celery object that the user made, joined to a Flask app, or to one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from celery import Celery

from . import internals
from .app_task import FlaskTaskRegistry, adopt_task
from .celery_app import FlaskCelery

_MADE_TOO_EARLY = ("Task", "AsyncResult", "GroupResult", "ResultSet", "amqp", "control")
#: What Celery's own class has, and each object carries as if it were the user's choice.
_STOCK_PARTS = ("amqp_cls", "control_cls")


def own_configuration(celery: Celery) -> Mapping[str, Any]:
    """What the user configured on *celery* itself, before any Flask app did."""
    if isinstance(celery, FlaskCelery):
        return celery.own
    return internals.explicit_configuration(celery)


def adopt(celery: Celery) -> FlaskCelery:
    """Turn *celery* into a :class:`FlaskCelery`, in place; adopting it twice changes nothing.

    Its class becomes a subclass of what it was, so that every reference to the object, and every
    task already declared on it, follows. It stays unconfigured if it was.
    """
    if isinstance(celery, FlaskCelery):
        return celery
    own, was = own_configuration(celery), type(celery)
    extra = {"__module__": was.__module__}
    ours = FlaskCelery if was is Celery else type(was.__name__, (FlaskCelery, was), extra)
    celery.__class__ = ours
    for name in _STOCK_PARTS:
        if celery.__dict__.get(name) == getattr(Celery, name):
            del celery.__dict__[name]
    for name in _MADE_TOO_EARLY:
        celery.__dict__.pop(name, None)
    registry = internals.registry_of(celery)
    registry.__class__ = FlaskTaskRegistry
    for task in registry.values():
        adopt_task(task)
    internals.forget_current(celery)
    adopted = cast(FlaskCelery, celery)
    adopted.own = own
    return adopted


def configure(celery: FlaskCelery, configuration: Mapping[str, Any]) -> None:
    """Give *celery* the complete *configuration*, by new lower-case names.

    A Celery object may serve one Flask app after the other, as in test suites that make an app for
    each test: nothing of the configuration of the one before stays. The object stays unconfigured
    if it was, so that `on_after_configure` comes when it would have come.
    """
    from flask_celeriac.settings import stock_default

    stale = {name: stock_default(name) for name in celery.applied - configuration.keys()}
    celery.conf.update({**stale, **configuration})
    celery.applied = frozenset(configuration)
