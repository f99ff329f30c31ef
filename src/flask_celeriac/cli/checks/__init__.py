"""The checks of `flask celery doctor`: a module for each thing that is examined.

finding.py        what a check says, and how grave it is
configuration.py  what the settings alone tell
access.py         passwords and TLS of broker and result backend
redis_server.py   policy, persistence, role and version of a Redis or Valkey server
running.py        workers, queues and beats that answer
schedule.py       entries of the beat schedule
"""
