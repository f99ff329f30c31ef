"""The entry: Celery first, then Flask."""

import os

from celery import Celery

my_celery = Celery(
    __name__,
    broker=os.environ["CELERY_BROKER_URL"],
    backend=os.environ["CELERY_RESULT_BACKEND"],
)

from app import create_app  # noqa: E402

flask_app = create_app(os.getenv("FLASK_ENV") or "default", celery=my_celery)
