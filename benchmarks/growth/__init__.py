"""How the cost of a task grows: with what waits, with workers, with queues, with delays."""
