"""The messages of one call: what each has of its own, and what they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from os import urandom
from typing import Any

from celery.utils.time import maybe_make_aware

from flask_celeriac.kombu_json import text_to_json, to_json

from .direct import DirectSender
from .encoding import brief_args, brief_kwargs
from .parent import parent_of
from .ways import Way


@dataclass(eq=False, slots=True)
class Sending:
    """Who sends: the parent is the task that runs here, if one does; *header* is our own."""

    header: Mapping[str, Any] | None
    parent: Any
    root_id: str | None
    parent_id: str | None


_NOBODY = Sending(None, None, None, None)


def sending_of(celery: Any, header: Mapping[str, Any] | None) -> Sending | None:
    """Return who sends; None when its priority is to be inherited, which is left to Celery."""
    parent = parent_of(celery)
    if parent is None:
        return Sending(header, None, None, None) if header is not None else _NOBODY
    if celery.conf.task_inherit_parent_priority:
        return None
    request = parent.request
    return Sending(header, parent, request.root_id or request.id, request.id)


class Call:
    """Makes the messages of one call, and publishes them.

    Args:
        options: Of `apply_async`.
        group_id: Of the group that all of them are members of.

    Raises:
        kombu.exceptions.OperationalError: The broker can not be reached; nothing was sent.
    """

    def __init__(
        self,
        sender: DirectSender,
        task: Any,
        way: Way,
        sending: Sending,
        options: Mapping[str, Any],
        group_id: str | None = None,
    ) -> None:
        self.way, self.sending = way, sending
        self._sender, self._levels = sender, sender.levels
        self._eta = _eta_of(sender.celery, options) if options else None
        self._root = to_json(sending.root_id) if sending.root_id else None
        template = sender.template(task, way, has_header=sending.header is not None)
        self._fill = template.with_shared(
            (
                sending.parent_id,
                sender.celery.thread_oid,
                self._eta,
                group_id,
                None if sending.header is None else to_json(sending.header),
            )
        ).fill
        self._encode_body = template.encode_body
        self._check = getattr(task, "__header__", None) if task.typing else None

    def message(
        self,
        task_id: str,
        args: Any,
        kwargs: Any,
        tag: str,
        *,
        group_index: int | None = None,
    ) -> bytes:
        """Check and encode the arguments of one task; return its message.

        Args:
            tag: A UUID of this message.

        Raises:
            TypeError: They do not fit the function.
            EncodeError: They are not JSON.
        """
        if self._check is not None:
            self._check(*args, **kwargs)
        # First, since it is what fails.
        body = self._sender.body_of(args, kwargs)
        id_ = text_to_json(task_id)
        return self._fill(
            {
                "id": id_,
                "root": self._root or id_,
                "group_index": "null" if group_index is None else str(group_index),
                "args": text_to_json(brief_args(args, self._levels)),
                "kwargs": text_to_json(brief_kwargs(kwargs, self._levels)),
                "body": text_to_json(self._encode_body(body)),
                "tag": f'"{tag}"',
            }
        )

    @property
    def place(self) -> tuple[str, int | None, str | None]:
        """Queue, priority and due time: what messages must share to be published together."""
        return self.way.queue.name, self.way.priority, self._eta

    @property
    def most_bytes(self) -> int:
        """How many bytes a message may have; 0: any number."""
        return self._sender.most_bytes

    def publish(self, messages: Sequence[bytes], token: str, producer: Any = None) -> None:
        """Publish messages of this call; see `DirectSender.publish`."""
        self._sender.publish(self.way, messages, eta=self._eta, token=token, producer=producer)


def new_id() -> str:
    """Return a random UUID of version 4."""
    return _uuid4(urandom(16).hex())


def new_ids(count: int) -> list[str]:
    """Return *count* random UUIDs of version 4, for the price of a few."""
    digits = urandom(16 * count).hex()
    return [_uuid4(digits[start : start + 32]) for start in range(0, 32 * count, 32)]


def _uuid4(digits: str) -> str:
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _eta_of(celery: Any, options: Mapping[str, Any]) -> str | None:
    """Return when a task is due, as Celery writes it."""
    if countdown_s := options.get("countdown"):
        due_at = celery.now() + timedelta(seconds=countdown_s)
        return str(maybe_make_aware(due_at, tz=celery.timezone).isoformat())
    eta = options.get("eta")
    return eta and str(eta.isoformat())
