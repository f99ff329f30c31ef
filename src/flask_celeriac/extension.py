"""`Celeriac`: binds one Flask app to one Celery app. The only module that knows all others."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from celery import Celery
from flask import Flask

from .access import Access
from .api.by_http import ByHTTP
from .declare import adoption, celery_app, request_id
from .declare.carry import Carrier, Carriers
from .declare.celery_app import FlaskCelery
from .declare.collect import Declarations
from .declare.discover import import_task_modules
from .declare.exposure import Exposures
from .declare.state import AppState, answer_for_celery, find, remember
from .declare.task import AsyncTask, Task
from .errors import AlreadyInitialized, ConfigurationError
from .execute.in_task import InTask
from .health.attach import attach
from .record import urls as record_urls
from .transport import attach as transport

if TYPE_CHECKING:
    from .settings import Settings

# Named, so that a web process never imports it.
_ABILITIES = "flask_celeriac.execute.abilities:Abilities"
_EXPOSED = "flask_celeriac.execute.exposed:Exposed"

P = ParamSpec("P")
R = TypeVar("R")


class Celeriac(InTask, ByHTTP):
    """The Flask extension. Make one without an app; every module may import it.

    Example:
        >>> celeriac = Celeriac()
        >>> @celeriac.task
        ... def log(message: str) -> str:
        ...     return message
        >>> celeriac.init_app(app)

    Args:
        app: Initialised at once, as by :meth:`init_app`.
        celery: An existing Celery object to join to the app instead of making one. It is adopted in
            place: its tasks, made before or after, run in the app's context.
    """

    def __init__(self, app: Flask | None = None, *, celery: Celery | None = None) -> None:
        self._declarations = Declarations()
        self._carriers = Carriers()
        self._exposures, self._access = Exposures(), Access()
        self._celery = celery
        answer_for_celery()
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Join *app* to its Celery app.

        Afterwards ``app.extensions["celery"]`` is the Celery app, ``app.extensions["celeriac"]`` an
        :class:`~flask_celeriac.declare.state.AppState`, and ``flask celery`` a command group. The
        tasks modules are imported; no connection is made.

        Raises:
            AlreadyInitialized: The app has a Celery app already; nothing changed.
            ConfigurationError: Something in the configuration is wrong; names every such key.
            Exception: What a tasks module raised when imported.
        """
        for taken in ("celeriac", "celery"):
            if taken in app.extensions:
                raise AlreadyInitialized(_already(app, taken))
        settings = _settings_of(app, self._celery)
        made = self._celery
        celery = celery_app.make(app.name) if made is None else adoption.adopt(made)
        state = AppState(app, celery, settings, self._carriers, {}, self._exposures, self._access)
        celery_app.attach(celery, state)
        _configure(state)
        app.extensions["celery"], app.extensions["celeriac"] = celery, state
        remember(state)
        request_id.install(app, settings.request_id_header)
        self._declarations.bind(state)
        _add_doors(state)
        import_task_modules(app, settings.task_packages)

    @property
    def celery(self) -> FlaskCelery:
        """The Celery app of the active Flask app, or of the only one.

        Raises:
            NotInitialized, AmbiguousApp: No app, or several and no context.
        """
        return find(self._declarations.states, "celeriac.celery").celery

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...

    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...

    @overload
    def task(self, /, *, bind: Literal[True], **options: Any) -> _BoundDecorator: ...

    @overload
    def task(self, /, *, bind: Literal[False] = False, **options: Any) -> _Decorator: ...

    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        expose: bool = False,
        **options: Any,
    ) -> Any:
        """Declare a function as a task; all other options are those of Celery's `app.task`.

        Args:
            expose: Let it be sent, watched and cancelled by HTTP; the same as :meth:`expose`.

        Raises:
            DuplicateTask: Another function has its name; nothing was declared.
        """

        def declare(function: Callable[..., Any]) -> Task[..., Any]:
            task = self._declarations.declare(function, options)
            return self.expose()(task) if expose else task

        return declare if function is None else declare(function)

    def carry(self, name: str, *, dump: Callable[[], Any], load: Callable[[Any], object]) -> None:
        """Let a value that the request knows travel with each task that it sends.

        Args:
            name: Its name on the wire.
            dump: Called when a task is sent inside an app context; returns a JSON value, or None
                for nothing. Inside a task, what the task itself received is passed on where
                `dump` returns None or needs a request.
            load: Called with that value in the task's app context, before the task. If it fails,
                the task fails with `CarryError` and its function does not run.

        Raises:
            CarryError: The name is taken or empty.
        """
        self._carriers.add(Carrier(name, dump, load))


class _Decorator:
    """The type of ``@celeriac.task(...)``; never an object."""

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...

    def __call__(self, function: Any, /) -> Any:
        raise NotImplementedError


class _BoundDecorator:
    """The type of ``@celeriac.task(bind=True, ...)``; never an object."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
    ) -> AsyncTask[P, R]: ...

    @overload
    def __call__(self, function: Callable[Concatenate[Any, P], R], /) -> Task[P, R]: ...

    def __call__(self, function: Any, /) -> Any:
        raise NotImplementedError


def _already(app: Flask, taken: str) -> str:
    if taken == "celery":
        return (
            f"app.extensions['celery'] of {app.name!r} is set already: remove the hand-made Celery "
            "app, or hand it over with Celeriac(celery=...)."
        )
    return f"init_app was called twice for {app.name!r}: call it once, in the app factory."


def _settings_of(app: Flask, celery: Celery | None) -> Settings:
    from .cli.invocation import mistakes_in_one_line, note_up
    from .settings import read_settings  # only who initialises an app pays for it

    note_up()
    is_up = os.environ.get("CELERIAC_UP") == "1"
    config: Mapping[str, Any] = app.config
    if celery is not None:
        config = _with_own(config, adoption.own_configuration(celery))
    is_production = not (app.debug or app.testing or is_up)
    running = None if is_production else celery_app.running_server(app)
    with mistakes_in_one_line():
        return read_settings(config, is_production=is_production, embedded_url=running)


def _with_own(config: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Add what an existing Celery object was configured with, as if it stood in ``CELERY``."""
    given = config.get("CELERY") or {}
    for key in own.keys() & given.keys():
        if own[key] != given[key]:
            raise ConfigurationError(
                f"CELERY[{key!r}] differs from what the Celery object itself was given: set it in "
                "one of the two places."
            )
    return {**config, "CELERY": {**own, **given}}


def _configure(state: AppState) -> None:
    configuration = dict(state.settings.celery)
    attach(state.celery, configuration, state.settings.state_dir)
    state.celery.steps["worker"].update((_ABILITIES, _EXPOSED))
    if state.settings.is_carried_by_us:
        transport.attach(state.celery, configuration)
    if state.settings.is_kept_by_us and (results := configuration.get("result_backend")):
        configuration["result_backend"] = record_urls.ours(results)
    adoption.configure(state.celery, configuration)


def _add_doors(state: AppState) -> None:
    from .api import component, outage
    from .cli import celery_group

    state.app.cli.add_command(celery_group())
    outage.install(state.app)
    component.install(state.app)
