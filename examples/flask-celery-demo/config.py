"""The configurations; FLASK_ENV names one."""

from __future__ import annotations

import os
import secrets

from celery.schedules import crontab

REDIS_OF_COMPOSE = "redis://redis:6379/0"


class Config:
    # It signs the cookie that says whose runs are whose. Unset, each start makes a new one, and
    # visitors lose sight of what they have started; several web processes need one in common.
    SECRET_KEY = os.getenv("SECRET_KEY") or secrets.token_urlsafe(32)
    # Unset, `flask celery up` brings its own private server.
    CELERY_BROKER_URL = os.getenv("CELERY_BROKER_URL")
    CELERY_RESULT_BACKEND = os.getenv("CELERY_RESULT_BACKEND") or CELERY_BROKER_URL
    # The page shows STARTED, retries and which worker ran a task; Celery keeps neither by default.
    CELERY_TASK_TRACK_STARTED = True
    CELERY_RESULT_EXTENDED = True
    CELERY_BEAT_SCHEDULE = {
        "log-every-minute": {
            "task": "app.tasks.log",
            "schedule": crontab(minute="*"),
            "args": ["log every 1 minutes"],
        },
    }


class Development(Config):
    DEBUG = True


class Production(Config):
    CELERY_BROKER_URL = os.getenv("CELERY_BROKER_URL") or REDIS_OF_COMPOSE
    CELERY_RESULT_BACKEND = os.getenv("CELERY_RESULT_BACKEND") or REDIS_OF_COMPOSE


config = {
    "development": Development,
    "production": Production,
    "default": Development,
}
