"""Follows a task as a browser's EventSource does."""

from __future__ import annotations

import threading
import time

import requests
from client_site import Site

from server_sent import Frame, frames_of


class Source(threading.Thread):
    """Comes again with its cursor whenever its connection ends, until it is told to stop (204).

    Attributes:
        frames: All that was told.
        opened: How many connections there were.
    """

    def __init__(self, site: Site, task_id: str) -> None:
        super().__init__(daemon=True)
        self.frames: list[Frame] = []
        self.opened = 0
        self._site, self._task_id = site, task_id
        self.start()

    @property
    def numbers(self) -> list[int]:
        return [frame.number for frame in self.frames]

    def run(self) -> None:
        while not self._is_over():
            time.sleep(0.05)

    def _is_over(self) -> bool:
        """Read one stream to its end; tell whether that was the last."""
        try:
            response = self._site.open(self._task_id, self.numbers[-1] if self.frames else None)
            if response.status_code == 204:
                return True
            assert response.status_code == 200, response.text
            self.opened += 1
            for frame in frames_of(response.iter_content(None)):
                if frame.kind:
                    self.frames.append(frame)
        except requests.RequestException:
            pass
        return False
