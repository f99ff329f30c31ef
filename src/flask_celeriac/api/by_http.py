"""What a `Celeriac` object offers to views and to people who come by HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from flask_celeriac.access import Access, Ask
from flask_celeriac.declare.exposure import Exposures, exposure

if TYPE_CHECKING:
    from flask import Response

    from .blueprint import Api

T = TypeVar("T")


class ByHTTP:
    """A part of `Celeriac`."""

    @property
    def celery(self) -> Any:
        """The Celery app that is meant here."""
        raise NotImplementedError

    _exposures: Exposures
    _access: Access
    _api: Api | None = None

    @property
    def api(self) -> Api:
        """The blueprint: ``app.register_blueprint(celeriac.api, url_prefix="/api/v1/tasks")``."""
        if self._api is None:
            # With all that answers requests: who registers none does not pay for it.
            from .blueprint import Api

            self._api = Api()
        return self._api

    def require_room(self, task: Any, **options: Any) -> None:
        """Make sure that a message of *task* may wait where it would go.

        `CELERIAC_QUEUE_LIMITS` says how many may; without it nothing is asked. The blueprint does
        this by itself. Tasks that several send at once may pass the limit by as many.

        Args:
            task: Is about to be sent.
            options: Of `apply_async`, such as ``queue``.

        Raises:
            QueueFull: The queue has as many messages as it may. Nothing was sent.
            kombu.exceptions.OperationalError: The broker does not answer. Nothing was sent.
        """
        from .depth import require_room

        require_room(self.celery.tasks[task.name], options)

    def expose(
        self,
        *,
        countdown: float = 0.0,
        priority: Iterable[int] = (),
        queue: Iterable[str] = (),
        terminate_after_s: float | None = None,
    ) -> Callable[[T], T]:
        """Let a task be sent, watched and cancelled by HTTP, through the blueprint `api`.

        Put it above ``@celeriac.task``, or call it with any other Celery task. Its record is kept
        beside its result: when it was sent, and by whom, when it started, and what happened.

        Args:
            countdown: The most seconds that a request may ask for; 0: none.
            priority: Those that it may ask for.
            queue: The same, by name.
            terminate_after_s: Seconds after which a cancelled task that goes on is ended, where the
                pool can; None: never.

        Raises:
            ValueError: Something is out of its range.
        """
        return self._exposures.decorator(
            exposure(
                countdown=countdown,
                priority=priority,
                queue=queue,
                terminate_after_s=terminate_after_s,
            )
        )

    def respond(self, result: Any, wait: float = 3.0) -> Response:
        """Answer a request with a task: for a view to return.

        What the client prefers comes first (``Prefer: wait=5``, ``Prefer: respond-async``), as far
        as ``CELERIAC_MAX_WAIT`` allows.

        Args:
            result: Of one task, as `delay` gives it, or a signature, which is sent here: then an
                outage is an answer too, and no error.
            wait: Seconds, 0 or more, where the client does not say.

        Returns:
            200 with the result as JSON where it is there in time, else 202 with the status of the
            task, ``Retry-After`` and, of an exposed task where the blueprint `api` is registered,
            ``Location``. As ``application/problem+json``: 500 where the task has failed or its
            result is not JSON, 409 where it was revoked, 503 where nobody knows; of a signature
            that could not be sent 429 (the queue is full) or 503.

        Raises:
            TypeError: *result* is neither; nothing was sent.
            ResultBackendMissing: The application keeps no results.
        """
        from .respond import respond  # only who answers with a task pays for it

        return respond(result, wait)

    def access(self, rule: Callable[[Any, Ask], bool]) -> Callable[[Any, Ask], bool]:
        """Say who may use exposed tasks: a decorator.

        Without one nobody may, but for a debug server on its own machine.

        Args:
            rule: Gets Flask's request and an `Ask`: the name of the task and what is to be done
                with it. Called for each request; whose task it is was looked up before.
        """
        self._access.rule = rule
        return rule

    def owner(self, rule: Callable[[Any], object]) -> Callable[[Any], object]:
        """Say who sends a request: a decorator.

        What it returns is stored with each exposed task that the request sends, as text. Only
        requests of the same owner find the task.

        Args:
            rule: Gets Flask's request; returns the id of its user, None for nobody.
        """
        self._access.owner_rule = rule
        return rule
