"""Problems as `application/problem+json`.

Source: RFC 9457.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response
from werkzeug.http import HTTP_STATUS_CODES

#: Seconds after which to try again what could not be done now.
RETRY_S = 1


class Problem(Exception):
    """Why a request is not answered as it was meant.

    Args:
        status: Of the answer, 400 to 599.
        detail: What was wrong, and what to do; for people.
        headers: More of the answer.
        members: More of the body; JSON values.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail
        self.headers, self.members = dict(headers or {}), members

    def response(self) -> Response:
        """Return the answer."""
        body = {
            "type": "about:blank",
            "title": HTTP_STATUS_CODES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        headers = {"Cache-Control": "no-store", **self.headers}
        return Response(
            json.dumps(body) + "\n",
            self.status,
            headers,
            content_type="application/problem+json",
        )


def invalid(detail: str, errors: Sequence[Mapping[str, str]]) -> Problem:
    """Return the problem of a request with wrong fields.

    Args:
        errors: Of each field ``pointer`` (a JSON pointer into the body) and ``detail``.
    """
    return Problem(422, detail, errors=[*errors])


def not_found() -> Problem:
    """Return the problem of a task that is not there, or is nobody's business: the same."""
    return Problem(404, "There is no such task.")


def unavailable(detail: str, retry_s: float = RETRY_S, **members: Any) -> Problem:
    """Return the problem of a server behind this one that does not answer."""
    return Problem(503, detail, headers={"Retry-After": str(max(1, round(retry_s)))}, **members)


def too_large() -> Problem:
    """Return the problem of arguments that do not fit into a message."""
    return Problem(413, "The arguments are too large for a message. Nothing was sent.")
