"""Names of Celery's settings: new, old and flat ones, and what a misspelt one means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import Any

from celery.app.defaults import NAMESPACES, Option, flatten

# Read by Celery 5.7 but missing in its own table.
_UNLISTED = (
    "dynamodb_endpoint_url",
    "gcs_threadpool_maxsize",
    "override_backends",
    "redis_backend_credential_provider",
    "redis_backend_health_check_interval",
    "redis_client_name",
    "result_backend_thread_safe",
)
# Names of older tutorials that Celery itself never knew.
_ALIASES = {"CELERY_BACKEND_URL": "result_backend"}
# Too short to be near anything by spelling, and always meant so.
_MEANT = {
    "backend": "result_backend",
    "broker": "broker_url",
    "concurrency": "worker_concurrency",
    "schedule": "beat_schedule",
    "url": "broker_url",
}
_FLAT_PREFIXES = ("CELERY_", "CELERYD_", "CELERYBEAT_")
# High, since two words of another package's name are soon like two words of Celery's.
_NEAR_SETTING = 0.85
_NEAR_WORD = 0.7


@dataclass(frozen=True, slots=True)
class _Tables:
    """Every known setting by new name, and the new name of every old one."""

    options: dict[str, Option | None]
    old_names: dict[str, str]


@cache
def _tables() -> _Tables:
    """Build both tables from Celery's public description of its settings."""
    options: dict[str, Option | None] = dict.fromkeys(_UNLISTED)
    old_names = dict(_ALIASES)
    described: Any = flatten(NAMESPACES, keyfilter=_old_and_new_names)
    for old, new, option in described:
        options[new] = option
        old_names[old] = new
    return _Tables(options, old_names)


def _old_and_new_names(
    namespace: str, key: str, option: Option
) -> Iterator[tuple[str, str, Option]]:
    """Give each old name of one option beside its new one."""
    for pattern in option.old or {namespace + key}:
        yield pattern.format(key).upper(), namespace + key, option


def option_of(name: str) -> Option | None:
    """Give Celery's description of the setting *name* (new name); None when it has none."""
    return _tables().options.get(name)


def stock_default(name: str) -> Any:
    """Give the value that Celery itself uses for *name* when nobody sets it; None if unknown."""
    option = option_of(name)
    return None if option is None else option.default


def new_name(written: str) -> str | None:
    """Translate a name to Celery's new lower-case name.

    Args:
        written: New ("broker_url"), upper-case new ("BROKER_URL"), old ("CELERYD_CONCURRENCY") or
            prefixed ("CELERY_BROKER_URL").

    Returns:
        The new name, or None when *written* is no setting of Celery.
    """
    tables = _tables()
    if written in tables.options:
        return written
    if written in tables.old_names:
        return tables.old_names[written]
    if not written.isupper():
        return None
    lowered = written.removeprefix("CELERY_").lower()
    return lowered if lowered in tables.options else None


def flat_name(key: str) -> str | None:
    """Translate a key of `app.config` to Celery's new name.

    Args:
        key: A whole key, such as "CELERY_BROKER_URL", "CELERYD_CONCURRENCY" or "BROKER_URL". Old
            names without a prefix of Celery's (`S3_BUCKET`) belong to others as often, so of these
            only `BROKER_*` counts.

    Returns:
        The new name, or None when *key* is no setting of Celery.
    """
    return new_name(key) if key.startswith((*_FLAT_PREFIXES, "BROKER_")) else None


def is_celery_name(key: str) -> bool:
    """Tell whether a key of `app.config` speaks to Celery by its prefix, known or not."""
    return key.startswith(_FLAT_PREFIXES)


def nearest_setting(written: str) -> str | None:
    """Find the setting that a misspelt name means.

    Args:
        written: A name that `new_name` does not know.

    Returns:
        A name that works in the place of *written*, in the same style; None when nothing is close.
    """
    known = {_bare(old): new for old, new in _tables().old_names.items()}
    known |= {name: name for name in _tables().options}
    known |= _MEANT
    found = _closest(_bare(written), known, _NEAR_SETTING)
    if found is None:
        return None
    return f"CELERY_{known[found].upper()}" if written.isupper() else known[found]


def nearest_word(written: str, words: Iterable[str]) -> str | None:
    """Find the one of *words* that is spelt most like *written*; None when nothing is close."""
    return _closest(written, list(words), _NEAR_WORD)


def _bare(name: str) -> str:
    """Lower-case *name* without the prefix that says whose it is."""
    for prefix in _FLAT_PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix).lower()
    return name.lower()


def _closest(written: str, known: Iterable[str], near: float) -> str | None:
    """Compare by spelling, then by the same words in another order, then by the only ending."""
    candidates = sorted(known)
    if written in candidates:
        return written
    likeness = {name: SequenceMatcher(None, written, name).ratio() for name in candidates}
    best = max(candidates, key=lambda name: likeness[name], default=None)
    if best is not None and likeness[best] >= near:
        return best
    words = sorted(written.split("_"))
    reordered = [name for name in candidates if sorted(name.split("_")) == words]
    endings = [name for name in candidates if len(words) > 1 and name.endswith(f"_{written}")]
    if reordered:
        return reordered[0]
    return endings[0] if len(endings) == 1 else None
