"""The only reader of a Flask app's configuration: frozen settings, and Celery's own configuration.

`read_settings` translates every accepted name, converts what the environment can only say as text,
adds the safe profile, and refuses what is wrong with one error that lists every problem.
"""

from __future__ import annotations

from .masking import mask_url
from .model import Applied, CelerySettingWarning, Settings
from .names import stock_default
from .read import read_settings

__all__ = [
    "Applied",
    "CelerySettingWarning",
    "Settings",
    "mask_url",
    "read_settings",
    "stock_default",
]
