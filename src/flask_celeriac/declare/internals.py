"""The one place where we reach past Celery's public interface, and why.

tests/declare/test_internals.py pins each of these and fails when Celery changes it.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery import _state as _celery_state
from celery.app.registry import TaskRegistry
from celery.app.utils import Settings

# The type stubs leave out what is private.
_state: Any = _celery_state


def registry_of(celery: Celery) -> TaskRegistry:
    """The task registry, without the finalisation that `Celery.tasks` causes.

    Finalising reads the configuration and evaluates every task, which would come before
    the receivers of `on_after_configure` in the user's modules are connected.
    """
    registry: TaskRegistry = celery._tasks  # type: ignore[attr-defined]
    return registry


def forget_current(celery: Celery) -> None:
    """Undo the `set_as_current` of a Celery object that the user made.

    Celery asks the thread's current app before the default app; with several Flask apps, the
    Celery object made last would otherwise answer for all of them.
    """
    if getattr(_state._tls, "current_app", None) is celery:
        _state._set_current_app(None)


def explicit_configuration(celery: Celery) -> dict[str, Any]:
    """What the user configured on *celery* itself, read from a copy that is thrown away.

    The object stays unconfigured, so that its own `on_after_configure` comes when it would
    have come.
    """
    reduced: Any = celery.__reduce__()
    rebuild, arguments = reduced[:2]
    copy = rebuild(*arguments)
    try:
        settings = dict(copy.conf.finalize().without_defaults())
        settings.pop("deprecated_settings", None)
        return settings
    finally:
        copy.close()


class _OfFlask(Settings):
    """Celery's settings as Flask's configuration has them; `repr` shows names alone.

    Celery puts the URLs of the environment above those that are configured. Ours have taken them
    in already, under the schemes of our transport and result backend: the bare URL would go back to
    Celery's own, and nobody would be told.
    """

    @property
    def broker_url(self) -> Any:
        """As in Celery, without a look at the environment."""
        return self.first("broker_url", "broker_host")

    @property
    def broker_read_url(self) -> Any:
        """The same."""
        return self.get("broker_read_url") or self.broker_url

    @property
    def broker_write_url(self) -> Any:
        """The same."""
        return self.get("broker_write_url") or self.broker_url

    @property
    def result_backend(self) -> Any:
        """The same."""
        return self.first("result_backend", "CELERY_RESULT_BACKEND")

    def __repr__(self) -> str:
        self.finalize()
        return f"<settings: {', '.join(sorted(self.without_defaults()))}>"


def guard_settings(celery: Celery) -> None:
    """Let what is configured count, not the environment, and hide values in `celery.conf`.

    Error reporters show the local variables of each frame, and `conf` is one in Celery's own. The
    settings stay unread if they were.
    """
    # Assigned plainly, the name would become a setting.
    object.__setattr__(celery.conf, "__class__", _OfFlask)
