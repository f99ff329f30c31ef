"""The class of every task of a Flask app, and the registry that gives it to them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import Task as CeleryTask
from celery.app.registry import TaskRegistry
from celery.utils import uuid
from kombu.exceptions import EncodeError

from flask_celeriac.errors import ArgumentsNotJSON

from . import carry, coroutine
from .recorded import recorded
from .result import AsyncResults

if TYPE_CHECKING:
    from .state import AppState


class FlaskTask(CeleryTask):  # type: ignore[type-arg]
    """Base of every task of a `FlaskCelery`, whoever declared it."""

    abstract = True
    Request: Any = "flask_celeriac.execute.request:Request"

    def apply_async(self, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> Any:
        """Send as Celery does; arguments that can not be encoded are named with their task."""
        below = super().apply_async
        state: AppState = self.app.celeriac  # type: ignore[attr-defined]
        if self.name in state.exposures:
            id_ = (more[0] if more else options.get("task_id")) or uuid()
            if more:
                more = (id_, *more[1:])
            else:
                options["task_id"] = id_
            # Who watches an exposed task asks for its result.
            options.setdefault("ignore_result", False)
            with recorded(state.celery, self.name, [id_], options):
                return self._send_on(state, below, args, kwargs, more, options)
        return self._send_on(state, below, args, kwargs, more, options)

    def _send_on(
        self,
        state: AppState,
        below: Any,
        args: Any,
        kwargs: Any,
        more: Any,
        options: dict[str, Any],
    ) -> Any:
        try:
            if not more and state.settings.is_carried_by_us:
                # With all of the transport, which is not loaded before a task is sent.
                from . import grouped, sending

                send = grouped.send if "producer" in options else sending.send
                if (sent := send(self, below, args, kwargs, options)) is not None:
                    return sent
            return below(args, kwargs, *more, **options)
        except EncodeError as error:
            raise not_json(self.name, error) from error

    def enqueue_many(self, calls: Iterable[Any], **options: Any) -> AsyncResults[Any]:
        """Send the task once for each of *calls*; see `Task.enqueue_many`."""
        from . import many

        # Whoever has replaced `apply_async` above or below sees each task.
        is_ours = type(self).apply_async is FlaskTask.apply_async
        return many.send_many(self, super().apply_async if is_ours else None, calls, options)

    def apply(self, *args: Any, **options: Any) -> Any:
        """Run here and now, as a worker would: without sight of the caller's request.

        An empty `contextvars.Context` hides request, session and app context alike; the run gets
        a fresh app context, and gives the caller's back untouched.
        """
        state: AppState = self.app.celeriac  # type: ignore[attr-defined]
        options["headers"] = carry.outgoing(state, options.get("headers"))
        return Context().run(partial(super().apply, *args, **options))


def not_json(name: str, error: EncodeError) -> ArgumentsNotJSON:
    """Return *error* as one that names the task whose arguments can not be encoded."""
    if isinstance(error, ArgumentsNotJSON):
        return error
    return ArgumentsNotJSON(
        f"The arguments of {name!r} can not be encoded: {error}. Pass ids, numbers and texts, and "
        "let the task load what they stand for. Nothing was sent."
    )


class FlaskTaskRegistry(TaskRegistry):
    """Makes each task that is registered a :class:`FlaskTask`.

    The registry is the one gate through which all tasks come: decorated, shared, class-based,
    with a `base` of their own.
    """

    def __setitem__(self, name: str, task: Any) -> None:
        adopt_task(task)
        super().__setitem__(name, task)


def adopt_task(task: Any) -> None:
    """Give *task* the behaviour of :class:`FlaskTask`, keeping its own class as a base."""
    cls = type(task)
    if not issubclass(cls, FlaskTask):
        extra = {"__module__": cls.__module__, "__doc__": cls.__doc__}
        task.__class__ = cls = type(cls.__name__, (FlaskTask, cls), extra)
    if inspect.iscoroutinefunction(task.run):
        cls.run = coroutine.on_loop(task, task.run)
