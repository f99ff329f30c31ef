"""What one Flask app has from Flask-Celeriac, and which app a task means."""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery._state import set_default_app  # exported there, documented as Celery.set_default
from celery.local import Proxy
from flask import Flask, current_app, has_app_context

from flask_celeriac.errors import AmbiguousApp, NotInitialized

from .active import active_context
from .unjoined import Unjoined

if TYPE_CHECKING:
    from flask_celeriac.access import Access
    from flask_celeriac.settings import Settings

    from .carry import Carriers
    from .celery_app import FlaskCelery
    from .exposure import Exposures
    from .task import Task

#: The app of the worker that runs in this process, as Celery named it its default.
_default: weakref.ref[AppState] | None = None


@dataclass(eq=False, slots=True, weakref_slot=True)
class AppState:
    """`app.extensions["celeriac"]`: one Flask app, its Celery app and its settings."""

    app: Flask
    celery: FlaskCelery
    settings: Settings
    carriers: Carriers
    #: The tasks declared with `@celeriac.task`, by name; grows as modules are imported.
    tasks: dict[str, Task[..., Any]]
    #: Which tasks are exposed by HTTP, by name, and who may use them.
    exposures: Exposures
    access: Access

    def __repr__(self) -> str:
        return f"<AppState of {self.app.name!r}: {len(self.tasks)} tasks, {self.settings!r}>"


class States(weakref.WeakSet[AppState]):
    """Apps that may be meant, as long as they live."""

    _latest: weakref.ref[AppState] | None = None

    def add(self, item: AppState) -> None:
        """Add an app."""
        super().add(item)
        self._latest = weakref.ref(item)

    def only(self) -> AppState | None:
        """Return the only app; None where there are several or none, or that takes longer to find.

        To go through weak references takes as long as to encode the arguments of a task.
        """
        return self._latest() if len(self) == 1 and self._latest is not None else None


_live = States()


def private_folder(app: Flask) -> Path:
    """Where the embedded server and beat keep the files of *app*; it may not exist yet."""
    return Path(app.instance_path) / "celeriac"


def remember(state: AppState) -> None:
    """Make *state* known to :func:`find`, until its Flask app is gone."""
    _live.add(state)


def answer_for_celery() -> None:
    """Let what names no app ask here, also before there is one."""
    set_default_app(_current_celery)


def make_default(state: AppState) -> None:
    """Let *state* answer for Celery's current app where no context and no only app does."""
    global _default
    _default = weakref.ref(state)


def in_context() -> AppState | None:
    """The state of the app whose context is active, or None."""
    context = active_context()
    if context is None:
        return None
    state = context.app.extensions.get("celeriac")
    return state if isinstance(state, AppState) else None


def find(candidates: States, what: str) -> AppState:
    """Say which app *what* means: the active one, else the only one.

    Args:
        candidates: States of the apps that know *what*.
        what: Named in the error, such as ``task 'app.tasks.log'``.

    Raises:
        NotInitialized: No app knows it, or the active app does not.
        AmbiguousApp: Several do and no app context is active; the message names them.
    """
    if has_app_context():
        active = in_context()
        if active is not None and active in candidates:
            return active
        raise NotInitialized(_not_of_active(candidates, what))
    if (only := candidates.only()) is not None:
        return only
    states = list(candidates)
    if len(states) > 1:
        del states
        gc.collect()  # apps of finished tests are cycles: only what is really alive counts
        states = list(candidates)
    if not states:
        raise NotInitialized(
            f"{what} was used before any Flask app was initialised: call init_app(app) first, "
            "in the app factory."
        )
    if len(states) > 1:
        names = ", ".join(sorted(repr(state.app.name) for state in states))
        raise AmbiguousApp(
            f"{what} belongs to several Flask apps ({names}): use it inside "
            "`with app.app_context():` of the one that is meant."
        )
    return states[0]


def _not_of_active(candidates: States, what: str) -> str:
    names = ", ".join(sorted(repr(state.app.name) for state in candidates)) or "no app yet"
    return (
        f"{what} is not known to the active Flask app {current_app.name!r}, but to {names}: "
        f"call init_app on {current_app.name!r} too, or enter the right app context."
    )


@cache
def _unjoined() -> Unjoined:
    return Unjoined(_current_celery)


def _current() -> Any:
    if not _live and not current_app:
        return _unjoined()
    default = _default() if _default is not None and not current_app else None
    return (default or find(_live, "The current Celery app")).celery


#: Celery's default app. What names no app (`shared_task`, `celery.signature`) asks it, from every
#: thread and greenlet, and so follows the rule that task handles follow.
_current_celery: Any = Proxy(_current)
