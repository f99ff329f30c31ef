"""Leave out the banners that Celery and Flask print at each start, and keep what they tell."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORKER_BEGIN = re.compile(r" -{14} \S+@\S+ v\d")
_WORKER_LINE = re.compile(r"\s|-|\[config\]|\[queues\]|\[tasks\]|$")
_TASK = re.compile(r"\s+\. (\S+)$")
_BEAT_BEGIN = re.compile(r"celery beat v\d.* is starting\.")
_BEAT_LINE = re.compile(r"\s|__ |LocalTime ->|Configuration ->|$")
# True for a program that runs alone, and misleading here.
_ELSEWHERE = re.compile(
    r"Press CTRL\+C to quit|WARNING: This is a development server\.|worker: Hitting Ctrl\+C again"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Banner:
    """Passes the lines of one run of a program on, without its banner."""

    def __init__(self) -> None:
        self._line_of_banner: re.Pattern[str] | None = None
        self._tasks: list[str] = []
        self._held: str | None = None

    def strip(self, line: str) -> Iterator[str]:
        """Give the lines that a person should see, now that *line* came."""
        plain = _COLOUR.sub("", line)
        held, self._held = self._held, None
        if self._line_of_banner is None:
            self._line_of_banner = _begin(plain)
        if self._line_of_banner is not None:
            if self._line_of_banner.match(plain) or _begin(plain):
                task = _TASK.match(plain)
                if task and self._line_of_banner is _WORKER_LINE:
                    self._tasks.append(task[1])
                return
            self._line_of_banner = None
            yield from self._summary()
        if held is not None:
            yield held
        if not plain.strip():
            # A banner begins with an empty line.
            self._held = line
        elif not _ELSEWHERE.match(plain):
            yield line

    def _summary(self) -> Iterator[str]:
        tasks, self._tasks = self._tasks, []
        names = [name for name in tasks if "->" not in name]
        if names:
            yield f"{len(names)} {'task' if len(names) == 1 else 'tasks'}: {', '.join(names)}"


def _begin(plain: str) -> re.Pattern[str] | None:
    if _WORKER_BEGIN.match(plain):
        return _WORKER_LINE
    return _BEAT_LINE if _BEAT_BEGIN.match(plain) else None
