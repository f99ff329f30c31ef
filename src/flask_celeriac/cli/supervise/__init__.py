"""The pieces of `flask celery up`: several programs in one terminal, and nothing left behind."""
