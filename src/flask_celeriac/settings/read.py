"""From `app.config` to frozen settings: each step one line, all problems in one error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_celeriac.errors import BrokerMissing, ConfigurationError

from .checks import check_values
from .collect import Given, add_environment, collect
from .model import ReadOnlySettings, Settings
from .own import read_own
from .profile import apply_profile
from .schedule import check_schedule
from .urls import check_urls, joined

_BROKER_MISSING = (
    "No broker is configured. Set CELERY_BROKER_URL, such as redis://:password@host:6379/0, in the"
    " app's configuration or in the environment. For development run `flask celery up`, which"
    " brings its own."
)
_NO_RESULTS = frozenset({"disabled", "disabled://"})


def read_settings(
    config: Mapping[str, Any],
    *,
    is_production: bool,
    embedded_url: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Read a Flask app's configuration once.

    Args:
        config: `app.config`. Never written to; what is kept of it is a copy.
        is_production: Not debug and not testing. `CELERIAC_UP=1` in *environ* overrules it.
        embedded_url: URL of a running embedded server, used when no broker is configured and
            this is not production.
        environ: Variables of the process: Celery's own are honoured or found to contradict.

    Returns:
        Everything the package needs to know. Without a broker and without *embedded_url*,
        `broker_url` is None: sending is then an error, reading is not.

    Raises:
        BrokerMissing: Production without a broker, and nothing else is wrong.
        ConfigurationError: Its message names every problem, one a line. Nothing was changed.

    Warns:
        CelerySettingWarning: Keys that nobody knows, once for all.
    """
    problems: list[str] = []
    is_up = environ.get("CELERIAC_UP") == "1"
    is_production = is_production and not is_up
    own = read_own(config, problems)
    given = collect(config, own.get("extra_keys", frozenset()), problems)
    add_environment(given, environ, problems)
    check_urls(given, problems)
    check_values(given, is_production=is_production, problems=problems)
    check_schedule(given, problems)
    place = _place(given, None if is_production else embedded_url)
    _raise_if_wrong(problems, is_broker_missing=is_production and place.broker_url is None)
    applied = apply_profile(
        place.values,
        broker_url=place.broker_url,
        result_backend=place.backend_url,
        transport=own.get("transport", "celeriac"),
        is_up=is_up,
    )
    return Settings(
        celery=ReadOnlySettings(applied.celery),
        worker=ReadOnlySettings(applied.worker),
        profile=applied.profile,
        is_production=is_production,
        is_embedded=place.is_embedded,
        broker_url=place.broker_url,
        result_backend=None if place.backend_url in _NO_RESULTS else place.backend_url,
        **own,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where messages and results go, and the user's values completed by it."""

    values: dict[str, Any]
    broker_url: str | None
    backend_url: str | None
    is_embedded: bool


def _place(given: Given, embedded_url: str | None) -> _Place:
    """Find broker and backend; the embedded server fills in where nothing is configured."""
    values = dict(given.values)
    # In Celery's own order; broker_host is how brokers were written before URLs.
    names = ("broker_url", "broker_write_url", "broker_read_url", "broker_host")
    broker = next((values[name] for name in names if values.get(name)), None)
    is_embedded = broker is None and embedded_url is not None
    if is_embedded:
        broker = values["broker_url"] = embedded_url
        values.setdefault("result_backend", embedded_url)
    return _Place(values, joined(broker), joined(values.get("result_backend")), is_embedded)


def _raise_if_wrong(problems: list[str], *, is_broker_missing: bool) -> None:
    """Raise one error for everything that was found."""
    if is_broker_missing and not problems:
        raise BrokerMissing(_BROKER_MISSING)
    if is_broker_missing:
        problems = [*problems, _BROKER_MISSING]
    if problems:
        head = "The configuration is wrong; nothing was started."
        raise ConfigurationError("\n".join([head, *(f"  - {problem}" for problem in problems)]))
