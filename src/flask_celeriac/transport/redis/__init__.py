"""Messages on Redis: claimed and leased in one step, delayed in Redis, never silently gone."""
