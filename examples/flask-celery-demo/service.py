"""The entry of every process: web, worker and beat."""

import os
from pathlib import Path

from dotenv import load_dotenv

# Before anything reads the environment. Where there is no .env, nothing happens.
load_dotenv(Path(__file__).with_name(".env"))

from app import create_app  # noqa: E402

flask_app = create_app(os.getenv("FLASK_ENV") or "default")
my_celery = flask_app.extensions["celery"]
