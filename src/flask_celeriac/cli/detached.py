"""The Celery app of the Flask app that FLASK_APP names, for a worker that detached itself."""

from __future__ import annotations

import os

from flask.cli import ScriptInfo

celery = ScriptInfo(os.environ.get("FLASK_APP")).load_app().extensions["celery"]
