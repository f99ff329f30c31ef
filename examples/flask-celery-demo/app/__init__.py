"""The application factory."""

from __future__ import annotations

from typing import Any

from flask import Flask

from app.extensions import celeriac
from config import config


def create_app(config_name: str = "default", **kwargs: Any) -> Flask:
    """Make the Flask app.

    Args:
        config_name: A key of `config.config`.
        **kwargs: Configuration values that win over it, such as `CELERY_BROKER_URL=...`.
    """
    app = Flask(__name__)
    app.config.from_object(config[config_name])
    app.config.update(kwargs)
    celeriac.init_app(app)  # configures Celery, finds app/tasks.py, adds `flask celery`

    from app.api import api
    from app.pages import pages

    app.register_blueprint(api, url_prefix="/api/v1")
    app.register_blueprint(celeriac.api, url_prefix="/api/v1/tasks")
    app.register_blueprint(pages)
    return app
