"""Requests that change something must not come from another site's page.

Where a cookie says who sends a request, the browser adds it whoever made the page. A request with
an ``Authorization`` header, or without a cookie, was made on purpose.

Source: Fetch Metadata Request Headers (W3C); OWASP, Cross-Site Request Forgery Prevention.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from werkzeug import Request

from .problem import Problem

_OWN_SITE = ("same-origin", "none")


def require_same_origin(request: Request) -> None:
    """Let a request pass that no foreign page can have sent in its user's name.

    Raises:
        Problem: 403; nothing was changed.
    """
    if "Cookie" not in request.headers or "Authorization" in request.headers:
        return
    if not _is_own(request):
        raise Problem(
            403,
            "This request comes from another site and carries a cookie: send it from a page of "
            "this site, or with an Authorization header.",
        )


def _is_own(request: Request) -> bool:
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site in _OWN_SITE
    return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()
