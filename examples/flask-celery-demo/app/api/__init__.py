"""The JSON interface, at /api/v1."""

from flask import Blueprint

api = Blueprint("api", __name__)

from app.api import views  # noqa: E402, F401 - the views register themselves on `api`
