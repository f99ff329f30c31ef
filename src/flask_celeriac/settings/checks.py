"""What Celery would accept and a person would regret: unsafe, contradictory or harmful settings."""

from __future__ import annotations

import math
from typing import Any

from .collect import Given
from .urls import family_of, joined

# Names and media types: Celery takes both.
_UNSAFE = {
    "pickle": "pickle",
    "application/x-python-serialize": "pickle",
    "yaml": "yaml",
    "application/x-yaml": "yaml",
}
_MEDIA_TYPES = {
    "json": "application/json",
    "msgpack": "application/x-msgpack",
    "auth": "application/data",
}


def check_values(given: Given, *, is_production: bool, problems: list[str]) -> None:
    """Report every setting that is unsafe, contradicts another one, or is known to do harm.

    Args:
        given: What the user set; only read.
        is_production: Adds the checks that concern production only.
        problems: Gets one line a problem: the key, what is wrong, the remedy.
    """
    _check_serializers(given, problems)
    _check_time_limits(given, problems)
    _check_retry_on_timeout(given, problems)
    if is_production and given.values.get("task_always_eager"):
        problems.append(
            f"{given.label('task_always_eager')}: in production tasks would run inside the request,"
            " and no worker would see them. Remove the key, or set it in the configuration of"
            " tests only."
        )


def _check_serializers(given: Given, problems: list[str]) -> None:
    """Refuse what can execute code when it is read, and what the own workers would refuse."""
    for name in ("accept_content", "result_accept_content"):
        unsafe = {_UNSAFE[c] for c in given.values.get(name) or () if c in _UNSAFE}
        problems.extend(
            f"{given.label(name)}: {format_name} lets anyone who can write to the broker execute"
            f' code here. Remove "{format_name}" and send JSON.'
            for format_name in sorted(unsafe)
        )
    accepted = given.values.get("accept_content") or ["json"]
    results = given.values.get("result_accept_content") or accepted
    for name, content, accepts in (
        ("task_serializer", accepted, "accept_content"),
        ("result_serializer", results, "result_accept_content"),
        ("event_serializer", accepted, "accept_content"),
    ):
        serializer = given.values.get(name)
        if serializer in _UNSAFE:
            problems.append(
                f"{given.label(name)}: {serializer} can execute code when it is read."
                ' Set it to "json" or leave the key out.'
            )
        elif serializer is not None and not _accepts(content, serializer):
            problems.append(
                f'{given.label(name)}: nobody here accepts "{serializer}". Add it to'
                f" {accepts}, or leave the key out."
            )


def _accepts(content: Any, serializer: Any) -> bool:
    """Tell whether an accept list holds a serializer by name or by media type."""
    return serializer in content or _MEDIA_TYPES.get(serializer) in content


def _check_time_limits(given: Given, problems: list[str]) -> None:
    """Refuse limits that can never be reached in their order."""
    soft, hard = (given.values.get(name) for name in ("task_soft_time_limit", "task_time_limit"))
    for name, limit in (("task_soft_time_limit", soft), ("task_time_limit", hard)):
        if limit is not None and not 0 < limit < math.inf:
            problems.append(
                f"{given.label(name)}: a limit must be above 0 seconds and end. Leave the key out"
                " for none."
            )
    if soft is not None and hard is not None and soft > hard:
        problems.append(
            f"{given.label('task_soft_time_limit')}: {soft:g} s is above the hard limit"
            f" {given.label('task_time_limit')} of {hard:g} s, so the soft limit would never be"
            " reached. Set it below the hard one."
        )


def _check_retry_on_timeout(given: Given, problems: list[str]) -> None:
    """Refuse the option of kombu's Redis transport that makes a worker hang for ever.

    `redis_retry_on_timeout` is allowed: only the result backend reads it, which never waits on its
    pub/sub connection without a timeout, so that it merely doubles the time until an error.
    """
    options = given.values.get("broker_transport_options") or {}
    urls = [joined(given.values.get(f"broker_{kind}")) for kind in ("url", "read_url", "write_url")]
    is_other = any(urls) and not any(family_of(url) == "redis" for url in urls)
    if options.get("retry_on_timeout") and not is_other:
        problems.append(
            f"{given.label('broker_transport_options')}: retry_on_timeout makes a worker on Redis"
            " hang for ever, silently, after one broken connection. Remove it: workers reconnect"
            " without it."
        )
