"""A Flask app for a worker process, with tasks that are acknowledged when they start."""

from __future__ import annotations

import os

from flask import Flask

from flask_celeriac import Celeriac

celeriac = Celeriac()


@celeriac.task(name="early.add", acks_late=False)
def add(x: int, y: int) -> int:
    return x + y


def create_app() -> Flask:
    app = Flask("early")
    url = os.environ["EARLY_URL"]
    app.config.update(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url)
    celeriac.init_app(app)
    return app
