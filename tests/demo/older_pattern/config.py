class Config:
    GREETING = "hello from the app context"
    CELERYBEAT_SCHEDULE = {
        "log-every-minute": {"task": "app.tasks.log", "schedule": 60, "args": ["minute"]},
    }


config = {"default": Config}
