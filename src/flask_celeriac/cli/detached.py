"""The Celery app of the Flask app that FLASK_APP names, for a worker that detached itself."""

from __future__ import annotations

from flask.cli import ScriptInfo

celery = ScriptInfo().load_app().extensions["celery"]
