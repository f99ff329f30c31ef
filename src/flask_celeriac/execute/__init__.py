"""What happens in a worker: tasks run in app context, and the worker says how it is."""
