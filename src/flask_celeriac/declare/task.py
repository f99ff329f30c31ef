"""What `@celeriac.task` gives: a handle on one task in each of the apps that know it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from celery.canvas import Signature, chunks, xmap, xstarmap
from celery.utils import abstract

from .result import AsyncResult, AsyncResults

if TYPE_CHECKING:
    from celery.result import EagerResult

    from .arguments import Pair
    from .collect import Declarations

P = ParamSpec("P")
R = TypeVar("R")


class Task(Generic[P, R]):
    """A task, usable wherever Celery takes one, before and after there is an app.

    Inside an app context it means that app's task, outside the only app there is. Attributes that
    are not named here (`request`, `retry`, `max_retries`, `app` ...) are those of that app's task.

    Attributes:
        name: The task's name on the wire.
    """

    def __init__(
        self, owner: Declarations, function: Callable[..., Any], options: Mapping[str, Any]
    ) -> None:
        self._owner = owner
        self._options = dict(options)
        self.name: str = self._options.pop("name", None) or _name_of(function)
        self.__wrapped__ = function
        self.__name__ = getattr(function, "__name__", self.name)
        self.__qualname__ = getattr(function, "__qualname__", self.name)
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here, as a plain function in the caller's context."""
        return cast(R, self._resolve()(*args, **kwargs))

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult[R]:
        """Send the task to a worker.

        Raises:
            NotInitialized, AmbiguousApp: No app, or several; nothing was sent.
            BrokerMissing: The app has no broker; nothing was sent.
            kombu.exceptions.OperationalError: The broker can not be reached; the message may or
                may not have arrived.
        """
        return cast("AsyncResult[R]", self._resolve().apply_async(args, kwargs))

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult[R]:
        """Send the task with options: Celery's `apply_async`. Raises what :meth:`delay` raises."""
        return cast("AsyncResult[R]", self._resolve().apply_async(args, kwargs, **options))

    def enqueue_many(
        self, calls: Iterable[Pair | Signature[Any]], **options: Any
    ) -> AsyncResults[R]:
        """Send the task many times, 500 runs in a round trip.

        All calls are checked and encoded before any is sent, so they and their messages are in
        memory at once. A batch arrives as a whole or not at all, and once, also when it is
        repeated because its answer was lost. Where tasks go by Celery's own path (another broker,
        options or settings out of the ordinary, a tracer or a receiver of signals that shall see
        each task) they are sent one by one.

        Args:
            calls: Pairs of positional and keyword arguments, such as ``((1, 2), {"z": 3})``, or
                signatures of this task without options.
            options: Of `apply_async`, for all of them: `countdown`, `queue`, `priority` ...

        Returns:
            One result for each call, in their order.

        Raises:
            TypeError, ValueError: A call is none, or does not fit the function; nothing was sent.
            ArgumentsNotJSON: The arguments of a call are not JSON; nothing was sent.
            NotAllSent: The broker failed; the error says which were sent.
            NotInitialized, AmbiguousApp, BrokerMissing: As of :meth:`delay`; nothing was sent.
        """
        return cast("AsyncResults[R]", self._resolve().enqueue_many(calls, **options))

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> EagerResult[R]:
        """Run the task here and now, as a worker would, in a fresh app context."""
        return cast("EagerResult[R]", self._resolve().apply(args, kwargs, **options))

    def signature(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Signature[R]:
        """A signature that binds to an app when it is sent, not when it is made."""
        more.setdefault("app", self._owner.celery)
        # The stubs know Celery's own tasks only; a signature takes all that has a name.
        made: Any = Signature
        return cast("Signature[R]", made(self, args, kwargs, options, **more))

    subtask = signature

    def s(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """Short for ``signature(args, kwargs)``."""
        return self.signature(args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature[R]:
        """Short for ``signature(args, kwargs, immutable=True)``."""
        return self.signature(args, kwargs, immutable=True)

    def chunks(self, it: Any, n: int) -> Any:
        """Celery's `chunks`: *it* in pieces of *n* (1 or more) argument tuples a message."""
        return cast(Any, chunks)(self.s(), it, n, app=self._owner.celery)

    def map(self, it: Any) -> Any:
        """Celery's `map`: one message in which the task is called for each item of *it*."""
        return cast(Any, xmap)(self.s(), it, app=self._owner.celery)

    def starmap(self, it: Any) -> Any:
        """Celery's `starmap`: as :meth:`map`, each item being a tuple of arguments."""
        return cast(Any, xstarmap)(self.s(), it, app=self._owner.celery)

    def AsyncResult(self, task_id: str, **options: Any) -> AsyncResult[R]:  # noqa: N802 - Celery's
        """The result of the run with *task_id*, whether or not there is such a run."""
        return cast("AsyncResult[R]", self._resolve().AsyncResult(task_id, **options))

    def _resolve(self) -> Any:
        return self._owner.resolve(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"task {self.name!r} has no attribute {name!r}")
        return getattr(self._resolve(), name)

    def __reduce__(self) -> Any:
        # As a function: by the module and name under which it is found.
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<celeriac task {self.name!r}>"


class AsyncTask(Task[P, R]):
    """A task declared with `async def`: called directly, it is the coroutine function."""

    def __call__(  # type: ignore[override]
        self, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Call the coroutine function here; await what it gives."""
        return cast("Coroutine[Any, Any, R]", self._resolve()(*args, **kwargs))


abstract.CallableTask.register(Task)


def _name_of(function: Callable[..., Any]) -> str:
    module = function.__module__
    if module == "__main__":
        # `python app.py` must name its tasks as a worker that imports `app` does.
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        file = getattr(main, "__file__", None)
        module = spec.name if spec else Path(file).stem if file else module
    return f"{module}.{function.__name__}"
