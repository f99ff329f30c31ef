"""What tasks over HTTP cost: requests that wait, streams of events, and the status of a task."""
