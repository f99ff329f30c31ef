"""Tasks are collected here until there is an app, and given to every app that comes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from celery.local import Proxy

from flask_celeriac.errors import DuplicateTask

from . import state as app_state
from .internals import registry_of
from .task import AsyncTask, Task

if TYPE_CHECKING:
    from .state import AppState


class Declarations:
    """The tasks declared on one `Celeriac` object, and the apps that know them.

    Attributes:
        celery: Stands for the Celery app that is meant where it is used.
    """

    def __init__(self) -> None:
        self.tasks: dict[str, Task[..., Any]] = {}
        self.states = app_state.States()
        self.celery: Any = Proxy(lambda: app_state.find(self.states, "This task").celery)

    def declare(self, function: Callable[..., Any], options: Mapping[str, Any]) -> Task[..., Any]:
        """Make *function* a task, here and in every app that is bound already.

        Raises:
            DuplicateTask: Another function has that name; nothing was declared.
        """
        if isinstance(function, Task):
            raise DuplicateTask(
                f"{function.name!r} is a task already: remove the second @celeriac.task."
            )
        make = AsyncTask if inspect.iscoroutinefunction(function) else Task
        task: Task[..., Any] = make(self, function, options)
        known = self.tasks.get(task.name)
        if known is not None and not _is_reloaded(known.__wrapped__, function):
            raise DuplicateTask(_two_of_one_name(task.name, known.__wrapped__, function))
        self.tasks[task.name] = task
        for state in self.states:
            self._register(task, state)
        return task

    def bind(self, state: AppState) -> None:
        """Give all that is declared, now and later, to the app of *state*."""
        self.states.add(state)
        for task in self.tasks.values():
            self._register(task, state)

    def resolve(self, task: Task[..., Any]) -> Any:
        """The Celery task that *task* means here and now.

        Raises:
            NotInitialized, AmbiguousApp: No app, or several and no context.
        """
        state = app_state.in_context()
        if state is None or state.tasks.get(task.name) is not task:
            state = app_state.find(self.states, f"The task {task.name!r}")
        celery = state.celery
        known = registry_of(celery) if celery.is_ready else celery.tasks
        return known[task.name]

    def _register(self, task: Task[..., Any], state: AppState) -> None:
        state.tasks[task.name] = task
        options = {**task._options, "name": task.name, "shared": False}
        state.celery.task(**options)(task.__wrapped__)


def check_names(state: AppState) -> None:
    """Make sure that each name means in the finalised Celery app what was declared under it.

    Raises:
        DuplicateTask: A task that was declared elsewhere has the name.
    """
    for name, task in state.tasks.items():
        registered = _function_of(registry_of(state.celery)[name])
        if registered is not task.__wrapped__:
            raise DuplicateTask(_two_of_one_name(name, registered, task.__wrapped__))


def _function_of(celery_task: Any) -> Any:
    run = inspect.unwrap(celery_task.run)
    return getattr(run, "__func__", run)


def _is_reloaded(known: Callable[..., Any], new: Callable[..., Any]) -> bool:
    return _place(known) == _place(new)


def _place(function: Callable[..., Any]) -> str:
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    where = f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
    return f"{function.__module__}.{getattr(function, '__qualname__', function)} ({where})"


def _two_of_one_name(name: str, known: Callable[..., Any], new: Callable[..., Any]) -> str:
    return (
        f"Two tasks are called {name!r}: {_place(known)} and {_place(new)}. "
        "Rename one function, or give one `name=...`."
    )
