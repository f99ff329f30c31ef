"""Tasks over HTTP: sent, watched and cancelled, for the tasks that an application exposes."""
