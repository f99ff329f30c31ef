"""What the request knows travels in the headers of the task's message, and is restored there.

On the wire: header ``celeriac`` = ``{"request_id": str, "carry": {name: JSON value}}``. Retries
keep their message's headers; the links of a chain are sent from inside a run, and so hand on what
it has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import has_request_context

from flask_celeriac.enqueue.template import OUR_HEADER
from flask_celeriac.errors import CarryError

from .active import active_context
from .request_id import request_id_of

if TYPE_CHECKING:
    from .state import AppState

HEADER = OUR_HEADER
_RECEIVED = "_celeriac_received"


@dataclass(frozen=True, slots=True)
class Carrier:
    """How one named value is taken from the request and put into the task's context."""

    name: str
    dump: Callable[[], Any]
    load: Callable[[Any], object]


class Carriers(dict[str, Carrier]):
    """The values that an application carries, by name."""

    def add(self, carrier: Carrier) -> None:
        """Add *carrier*.

        Raises:
            CarryError: Its name is taken, or not a plain non-empty string.
        """
        if not isinstance(carrier.name, str) or not carrier.name:
            raise CarryError(f"carry() needs a name as its first argument, not {carrier.name!r}.")
        if carrier.name in self:
            raise CarryError(f"carry({carrier.name!r}) was called twice: use another name.")
        self[carrier.name] = carrier


def header_of(task_request: Any) -> dict[str, Any]:
    """Return our header of a running task's message; anything malformed counts as absent."""
    headers = task_request.headers
    header = headers.get(HEADER) if headers else None
    return header if isinstance(header, dict) else {}


def request_id_in(header: Mapping[str, Any]) -> str | None:
    """Return the request id that *header* brought, if any."""
    request_id = header.get("request_id")
    return request_id if isinstance(request_id, str) else None


def restore(carriers: Carriers, g: Any, header: Mapping[str, Any]) -> None:
    """Hand each value that *header* brought to its `load`, in the order of the `carry` calls.

    Raises:
        CarryError: A `load` failed; the task does not run, since it could act for the wrong
            user or tenant.
    """
    values = header.get("carry")
    if not isinstance(values, dict):
        return
    setattr(g, _RECEIVED, values)
    for name, carrier in carriers.items():
        if name in values:
            try:
                carrier.load(values[name])
            except Exception as error:
                raise CarryError(
                    f"The carried value {name!r} could not be loaded: {type(error).__name__}: "
                    f"{error}. The task did not run."
                ) from error


def outgoing(state: AppState, headers: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Add our header to *headers*, unless it is there already (a retry).

    Raises:
        CarryError: A `dump` failed or gave no JSON value; nothing was sent.
    """
    if headers is not None and HEADER in headers:
        return dict(headers)
    context = active_context()
    if context is None:
        return None if headers is None else dict(headers)
    ours: dict[str, Any] = {}
    if request_id := request_id_of(context):
        ours["request_id"] = request_id
    if values := _dump_all(state.carriers, context.g):
        ours["carry"] = values
    return {**headers, HEADER: ours} if headers else {HEADER: ours}


def _dump_all(carriers: Carriers, g: Any) -> dict[str, Any]:
    values = dict(g.get(_RECEIVED, ()))
    for carrier in carriers.values():
        value = _dump(carrier)
        if value is not None:
            values[carrier.name] = value
    return values


def _dump(carrier: Carrier) -> Any:
    try:
        value = carrier.dump()
    except Exception as error:
        # Inside a task there is no request to ask: what was received travels on.
        if isinstance(error, RuntimeError) and not has_request_context():
            return None
        raise CarryError(
            f"The carried value {carrier.name!r} could not be dumped: {type(error).__name__}: "
            f"{error}. Nothing was sent."
        ) from error
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CarryError(
            f"The carried value {carrier.name!r} is not JSON ({error}): let `dump` return "
            "strings, numbers, lists or dicts. Nothing was sent."
        ) from error
    return value
