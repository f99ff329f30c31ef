"""One module for each library, for its workers, its sender and its web process."""
