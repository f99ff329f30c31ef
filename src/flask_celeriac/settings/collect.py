"""What one app sets for Celery: in the `CELERY` dict, by flat names and in the environment."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from .convert import WrongTypeError, convert, copied
from .model import CelerySettingWarning
from .names import flat_name, is_celery_name, nearest_setting, new_name
from .own import OWN_NAMES

# Celery lets each of these win over the configuration without a word.
# Source: celery/app/utils.py, class Settings.
ENVIRONMENT = {
    "CELERY_BROKER_URL": "broker_url",
    "CELERY_BROKER_READ_URL": "broker_read_url",
    "CELERY_BROKER_WRITE_URL": "broker_write_url",
    "CELERY_RESULT_BACKEND": "result_backend",
}
# None or "" is what `os.getenv` and empty variables give, and means that nothing was said.
_EMPTY_MEANS_UNSET = frozenset(ENVIRONMENT.values()) | {"accept_content", "result_accept_content"}
# FLASK_CELERY_UP_PORT is click's variable for `flask celery up --port`; `from_prefixed_env` takes
# it for a key of the configuration.
_COMMAND_PREFIX = "CELERY_UP_"
_PREFIXES = ("CELERY", "CELERYD", "CELERYBEAT", "CELERIAC")


@dataclass(slots=True)
class Given:
    """What the user set.

    Attributes:
        values: By Celery's new name, converted to the expected type.
        labels: By the same names: the key as the user wrote it, for messages.
    """

    values: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """Give the key of *name* as the user wrote it."""
        return self.labels.get(name, name)


def collect(config: Mapping[str, Any], extra: frozenset[str], problems: list[str]) -> Given:
    """Gather every setting of Celery from an app's configuration.

    Args:
        config: `app.config`; not written to.
        extra: `CELERIAC_EXTRA_KEYS`: unknown keys that are meant.
        problems: Gets one line for each misspelt key, wrong type and contradiction.

    Returns:
        What was given. An intended unknown key keeps its name inside the `CELERY` dict, and loses
        prefix and upper case as a flat one.

    Warns:
        CelerySettingWarning: Once, naming all unknown keys.
    """
    given = Given()
    unknown: list[str] = []
    for label, written, name, value in _entries(config, problems):
        is_flat = label == written
        if name is not None:
            _add(given, name, label, value, problems)
        elif written in extra:
            passed = written.removeprefix("CELERY_").lower() if is_flat else written
            _add(given, passed, label, value, problems)
        elif (near := nearest_setting(written)) is not None:
            problems.append(
                f"{label}: Celery has no such setting. Did you mean {near}? If another package"
                f' reads it, add "{written}" to CELERIAC_EXTRA_KEYS.'
            )
        else:
            unknown.append(written)
            if not is_flat:
                given.values[written] = copied(value)
    _warn_of_unknown(unknown)
    return given


def add_environment(given: Given, environ: Mapping[str, str], problems: list[str]) -> None:
    """Take Celery's own environment variables where the configuration says nothing.

    Args:
        given: Completed in place.
        environ: Variables of the process.
        problems: Gets a line for each variable that differs from the configuration.
    """
    for variable, name in ENVIRONMENT.items():
        value = environ.get(variable)
        if not value:
            continue
        if name not in given.values:
            given.values[name] = value
            given.labels[name] = f"environment variable {variable}"
        elif not _is_same(name, given.values[name], value):
            problems.append(
                f"{given.label(name)}: the environment variable {variable} (or an option of the"
                " celery command that sets it) says something else, and Celery would silently use"
                " that. Unset the variable, or read the configuration from it."
            )


def _entries(
    config: Mapping[str, Any], problems: list[str]
) -> Iterator[tuple[str, str, str | None, Any]]:
    """Give label, key as written, Celery's name for it and value of each key meant for Celery."""
    for key in [key for key in config if isinstance(key, str)]:
        if key == "CELERY":
            yield from _dict_entries(config[key], problems)
        elif (name := flat_name(key)) is not None or _is_meant_for_celery(key):
            yield key, key, name, config[key]
        elif (meant := _misspelt_prefix(key)) is not None:
            problems.append(f"{key}: nothing reads this key. Did you mean {meant}?")


def _dict_entries(settings: Any, problems: list[str]) -> Iterator[tuple[str, str, str | None, Any]]:
    """Give the entries of the `CELERY` dict."""
    if settings is None:
        return
    if not isinstance(settings, Mapping):
        problems.append(
            f"CELERY: a dict of Celery's settings is expected, this is {_type_name(settings)}."
            ' Write CELERY = {"broker_url": ...}.'
        )
        return
    for key, value in settings.items():
        if isinstance(key, str):
            yield f'CELERY["{key}"]', key, new_name(key), value
        else:
            problems.append(f"CELERY: every key must be text, one is {_type_name(key)}.")


def _add(given: Given, name: str, label: str, value: Any, problems: list[str]) -> None:
    """Convert one value and keep it, unless it says nothing or contradicts an earlier one."""
    if name in _EMPTY_MEANS_UNSET and (value is None or value == ""):
        return
    try:
        converted = convert(name, value)
    except WrongTypeError as error:
        found = value if error.inner is None else error.inner
        problems.append(f"{label}: expected {error}, got {_type_name(found)}.")
        return
    if name not in given.values:
        given.values[name] = converted
        given.labels[name] = label
    elif not _is_same(name, given.values[name], converted):
        problems.append(
            f"{label}: contradicts {given.labels[name]}; both are names of one setting ({name})"
            " and their values differ. Keep one of them."
        )


def _is_same(name: str, one: Any, other: Any) -> bool:
    """Compare two values of one setting; a list of URLs equals the same URLs joined by ";"."""
    if name in ENVIRONMENT.values():
        one, other = (";".join(v) if isinstance(v, list) else v for v in (one, other))
    return bool(one == other)


def _is_meant_for_celery(key: str) -> bool:
    """Tell by its prefix; others may own `BROKER_*` keys too, so these must be near a known one."""
    if key.startswith(_COMMAND_PREFIX):
        return False
    is_near = key.startswith("BROKER_") and nearest_setting(key) is not None
    return is_near or is_celery_name(key)


def _misspelt_prefix(key: str) -> str | None:
    """Find the key that was meant when only the first word is misspelt."""
    first, _, rest = key.partition("_")
    if first in _PREFIXES or not first.startswith("C") or not rest:
        return None
    for prefix in ("CELERIAC", "CELERY"):
        meant = f"{prefix}_{rest}"
        is_known = meant in OWN_NAMES or (prefix == "CELERY" and flat_name(meant) is not None)
        if is_known and SequenceMatcher(None, first, prefix).ratio() >= 0.8:
            return meant
    return None


def _warn_of_unknown(keys: list[str]) -> None:
    """Say once which keys nobody knows."""
    if keys:
        warnings.warn(
            f"Celery has no settings named {', '.join(keys)}. If another package reads them, name"
            " them in CELERIAC_EXTRA_KEYS; otherwise remove them.",
            CelerySettingWarning,
            stacklevel=4,
        )


def _type_name(value: Any) -> str:
    """Name the type of a value for a message, never the value: it may be a password."""
    return "None" if value is None else f"a value of type {type(value).__name__}"
