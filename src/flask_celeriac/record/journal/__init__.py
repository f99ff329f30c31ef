"""What is known of tasks that an application exposes: from when they are sent until a week after.

Celery's own record of a task begins when it starts and says nothing of who sent it, so that a task
that waits can not be told from one that never was.
"""
