"""Answers where the broker or the result backend does not answer, or may take no more."""

from __future__ import annotations

import logging

from flask import Flask, Response
from kombu.exceptions import OperationalError

from flask_celeriac.errors import QueueFull, ResultBackendUnavailable

from .problem import Problem, unavailable

logger = logging.getLogger(__name__)

#: Seconds after which a queue may have room again.
FULL_S = 5


def problem_of(error: OperationalError) -> Problem:
    """Return how an answer tells of *error*, whose own words may name hosts and are left out."""
    if isinstance(error, QueueFull):
        headers = {"Retry-After": str(FULL_S)}
        return Problem(429, "Too many tasks wait already. Nothing was sent.", headers=headers)
    if isinstance(error, ResultBackendUnavailable):
        return unavailable("The server that keeps results does not answer. Try again later.")
    return unavailable("The broker does not answer: the task may or may not have been sent.")


def logged_problem_of(error: OperationalError) -> Problem:
    """The same; what an answer leaves out is in the log."""
    logger.warning("Answered that tasks can not be sent: %s: %s", type(error).__name__, error)
    return problem_of(error)


def install(app: Flask) -> None:
    """Let views of *app* answer with a problem where a task can not be sent.

    An application that handles the error itself is left alone, also when it says so later.
    """
    known = app.error_handler_spec[None][None]
    if OperationalError not in known:
        app.register_error_handler(OperationalError, _answer)


def _answer(error: OperationalError) -> Response:
    return logged_problem_of(error).response()
