"""What answers for Celery's current app before any Flask app is initialised.

Celery would make an app up that sends to RabbitMQ on localhost. Code that names no app
(`shared_task`, `celery.signature`) is imported, and its functions are called in tests, before
there is an app: that works here, and sending is an error.
"""

from __future__ import annotations

from typing import Any, NoReturn, cast

from celery import Celery
from celery import Task as CeleryTask
from celery.canvas import Signature

from flask_celeriac.errors import NotInitialized


class _Held:
    """Stands for the task *name* of the app that is meant when it is used."""

    def __init__(self, name: str, successor: Any) -> None:
        self.name = name
        self._successor = successor

    # Of its own, since a signature keeps the first `apply_async` that it was given.
    def apply_async(self, *args: Any, **options: Any) -> Any:
        return self._successor.tasks[self.name].apply_async(*args, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"task {self.name!r} has no attribute {name!r}")
        return getattr(self._successor.tasks[self.name], name)


class _UnjoinedTask(CeleryTask):  # type: ignore[type-arg]
    abstract = True

    def signature(self, *args: Any, **options: Any) -> Any:
        """A signature that binds to an app when it is sent, as those of handles do."""
        successor = cast(Unjoined, self.app).successor
        made: Any = Signature
        return made(_Held(self.name, successor), *args, **{**options, "app": successor})


class Unjoined(Celery):
    """Holds shared tasks, and sends none.

    Attributes:
        successor: Stands for the Celery app that will be meant.
    """

    task_cls: Any = _UnjoinedTask

    def __init__(self, successor: Any) -> None:
        super().__init__("unjoined", set_as_current=False)
        self.successor = successor

    def send_task(self, name: str, *args: Any, **options: Any) -> NoReturn:  # noqa: ARG002
        """Refuse.

        Raises:
            NotInitialized: Nothing was sent.
        """
        raise NotInitialized(
            f"The task {name!r} was used before any Flask app was initialised: call init_app(app) "
            "first, in the app factory. Nothing was sent."
        )
