"""A task is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from celery.utils import uuid
from flask import Response, request

from flask_celeriac.record.journal.facts import Entry, Seen
from flask_celeriac.transport.redis.messages import PUBLISH_TOKEN

from .arguments import arguments_of
from .body import read_body
from .depth import require_room
from .exposed import Exposed, exposed_task
from .idempotency import key_in, name_of, send_once
from .lookup import app_state, journal, may_read
from .options import options_of
from .prefer import preferences
from .problem import Problem
from .server import longest_wait_s
from .status import accepted, is_finished
from .waiting import wait_until


def take(task_name: str) -> Response:
    """Send an exposed task, with the arguments in the body; answer with its status.

    Where the client prefers to wait for its end, and that comes in time, 200 in place of 202.
    """
    exposed = exposed_task(task_name, "submit")
    options = options_of(request.args, exposed.exposure)
    key = key_in(request.headers)
    body = read_body(app_state().settings.max_body_bytes)
    order = _Order(exposed, arguments_of(exposed.task).read(body), options)
    if app_state().celery.conf.task_always_eager:
        return order.run()
    task_id = order.send(uuid()) if key is None else order.send_once(key, body.values)
    return _answer(task_id)


def _answer(task_id: str) -> Response:
    wanted, most_s = preferences(request.headers.getlist("Prefer")), longest_wait_s()
    wait_s = wanted.within(0.0, most_s)
    seen = journal().look(task_id)
    if seen.entry is None:
        raise Problem(410, "All that was known of this task has expired.")
    # Who may send is not always who may read.
    if not may_read(seen, is_awaited=wait_s > 0):
        return accepted(seen, may_read=False)
    if wait_s > 0 and not is_finished(seen):
        seen = wait_until(journal(), task_id, is_finished, wait_s)
    response = accepted(seen, was_awaited=wait_s > 0)
    wanted.tell(response, most_s)
    return response


@dataclass(frozen=True, slots=True)
class _Order:
    """A task that a request wants to be sent.

    Attributes:
        options: Of `apply_async`.
    """

    exposed: Exposed
    arguments: Mapping[str, Any]
    options: Mapping[str, Any]

    def send(self, task_id: str, **more: Any) -> str:
        """Send the task under an id of its own, and return that."""
        require_room(self.exposed.task, self.options)
        self._apply(task_id, **more)
        return task_id

    def send_once(self, key: str, body: Mapping[str, Any]) -> str:
        """The same, unless an earlier request with *key* did; return the id of that task."""
        state = app_state()
        name = name_of(key, state.access.owner_of(request), self.exposed.name)
        # With a token that is known as long as the key, a second message adds nothing.
        is_ours = state.settings.is_carried_by_us
        asked = [body, self.options]
        return send_once(
            journal(),
            name,
            asked,
            lambda id_: self.send(id_, **({PUBLISH_TOKEN: f"once:{id_}"} if is_ours else {})),
        )

    def run(self) -> Response:
        """Run the task here, as `task_always_eager` wants it; nothing is kept of that."""
        queued_at = datetime.now(UTC)
        result = self._apply(uuid())
        ended_at = datetime.now(UTC)
        entry = Entry(result.id, self.exposed.name, None, queued_at, queued_at, ended_at, 1)
        meta = {"status": result.state, "result": result.result, "traceback": result.traceback}
        seen = Seen(entry, meta, None)
        response = accepted(seen, may_read=may_read(seen))
        # Nobody finds it there.
        response.headers.pop("Location", None)
        return response

    def _apply(self, task_id: str, **more: Any) -> Any:
        return self.exposed.task.apply_async(
            kwargs=dict(self.arguments), task_id=task_id, **self.options, **more
        )
