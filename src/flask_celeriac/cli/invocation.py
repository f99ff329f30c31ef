"""Know `flask celery ...` before the app is loaded.

Flask loads the app to find the command `celery`, so the app reads its settings before the
command itself runs; without this, `up` would be refused as production without a broker, and a
mistake in the configuration would be shown as a traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import click

from flask_celeriac.errors import BrokerMissing, ConfigurationError


def note_up() -> None:
    """Set CELERIAC_UP=1 if this process was started as `flask ... celery up ...`."""
    if _is_from_flask() and ("celery", "up") in pairwise(sys.argv):
        os.environ["CELERIAC_UP"] = "1"


@contextmanager
def mistakes_in_one_line() -> Iterator[None]:
    """Show mistakes in the configuration to who types `flask celery ...` without a traceback.

    Raises:
        click.ClickException: In place of `ConfigurationError`, under `flask ... celery` only.
    """
    try:
        yield
    except ConfigurationError as error:
        if not (_is_from_flask() and "celery" in sys.argv):
            raise
        hint = ""
        if isinstance(error, BrokerMissing):
            hint = " Beside a running one, other commands need --debug: flask --debug celery ..."
        raise click.ClickException(f"{error}{hint}") from error


def _is_from_flask() -> bool:
    # Flask's command line sets the variable; a server that merely has such words does not.
    return os.environ.get("FLASK_RUN_FROM_CLI") == "true"
