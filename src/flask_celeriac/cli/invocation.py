"""Know `flask celery up` before the app is loaded.

Flask loads the app to find the command `celery`, so the app reads its settings before the
command itself runs; without this, `up` would be refused as production without a broker.
"""

from __future__ import annotations

import os
import sys
from itertools import pairwise


def note_up() -> None:
    """Set CELERIAC_UP=1 if this process was started as `flask ... celery up ...`."""
    # Flask's command line sets the variable; a server that merely has such words does not.
    if os.environ.get("FLASK_RUN_FROM_CLI") == "true" and ("celery", "up") in pairwise(sys.argv):
        os.environ["CELERIAC_UP"] = "1"
