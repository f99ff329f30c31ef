"""The extension object. There is no app yet, so every module may import it: no circle."""

from typing import Any

from flask import Request, session

from flask_celeriac import Celeriac

celeriac = Celeriac()


@celeriac.owner
def visitor(request: Request) -> str | None:
    """Who sends a request: the visitor that the page has put into the signed cookie.

    A program without the cookie is nobody, and finds what nobody has sent, if it knows the id.
    """
    return session.get("visitor")


@celeriac.access
def may(request: Request, ask: Any) -> bool:
    """Everybody may start what is exposed, and watch and cancel what is their own."""
    return True
