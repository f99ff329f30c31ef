from typing import Any

from celery import Celery
from flask import Flask

from config import config
from flask_celeriac import Celeriac


def create_app(config_name: str, **kwargs: Any) -> Flask:
    app = Flask(__name__)
    app.config.from_object(config[config_name])
    if kwargs.get("celery"):
        init_celery(kwargs["celery"], app)

    from app.api import api

    app.register_blueprint(api, url_prefix="/api/v1")
    return app


def init_celery(celery: Celery, app: Flask) -> None:
    Celeriac(celery=celery).init_app(app)
