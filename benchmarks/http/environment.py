"""What the processes of both sides are told, and what is the same in them."""

from __future__ import annotations

import os

URL_NAME, FOLDER_NAME = "HTTP_URL", "HTTP_FOLDER"
#: Where messages and results are.
URL = os.environ.get(URL_NAME, "")
#: Where files are that tell tasks to begin.
FOLDER = os.environ.get(FOLDER_NAME, "")
#: Seconds that the slower of the two awaited tasks takes.
NAP_S = 0.05
#: Seconds for which a task in progress stays so; the worker is stopped meanwhile.
STAY_S = 2.0
#: Seconds for which a view waits for a task.
WAIT_S = 10.0
