"""Several programs in one terminal, and nothing left behind: `up`, and `worker --processes`."""
