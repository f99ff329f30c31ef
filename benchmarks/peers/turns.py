"""Turns: each measures the limit and every system once, one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flask_celeriac.embedded import EmbeddedServer

from .catalogue import BASELINE, SYSTEMS
from .environments import python_of
from .figures import LIMIT, Turn
from .limit import measure_limit
from .measures import Measures, Sizes, measure
from .session import running
from .web import measure_web


@dataclass(frozen=True, slots=True)
class _NoSystem:
    """Where a view runs that needs no workers."""

    python: Path
    url: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)


class Turns:
    """Runs turn after turn.

    Attributes:
        server: What the server is, once one has run.
        versions: Of all that is installed, by system.

    Args:
        names: Of the catalogue.
        folder: For logs and data; exists.
        say: Told what is going on, in short lines.
    """

    def __init__(
        self,
        names: Sequence[str],
        sizes: Sizes,
        what: Collection[str],
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self.server = ""
        self.versions: dict[str, dict[str, str]] = {}
        self._names = names
        self._sizes = sizes
        self._what = what
        self._folder = folder
        self._say = say
        self._pythons: dict[str, Path] = {}

    def run(self, number: int) -> Turn:
        """Measure the limit, then each system on its own: what fails is noted, the rest goes on.

        Args:
            number: From 0; each has another order, the same in every run.
        """
        turn = Turn()
        order = [LIMIT, *random.Random(number).sample(self._names, len(self._names))]
        for name in order:
            self._say(f"turn {number + 1}: {name}")
            found = turn.found.setdefault(name, {})
            folder = self._folder / f"{number}-{name.replace(' ', '-')}"
            try:
                if name == LIMIT:
                    self._measure_limit(folder, found)
                else:
                    self._measure_system(name, folder, found)
            except Exception as error:
                turn.failed[name] = f"{type(error).__name__}: {error}"
                self._say(f"{name} failed: {turn.failed[name]}")
        return turn

    def _measure_limit(self, folder: Path, found: Measures) -> None:
        folder.mkdir()
        with EmbeddedServer(folder / "redis") as server:
            self.server = server.version
            found |= measure_limit(server.url, self._sizes.tasks)
            if "web" in self._what:
                place = _NoSystem(self._python(BASELINE), server.url, folder)
                measure_web(place, "", self._sizes.web_s, self._sizes.connections, found)

    def _measure_system(self, name: str, folder: Path, found: Measures) -> None:
        with running(SYSTEMS[name], self._python(name), folder) as session:
            self.versions[name] = session.about["versions"]
            measure(session, self._sizes, self._what, found)

    def _python(self, name: str) -> Path:
        environment = SYSTEMS[name].environment
        if environment not in self._pythons:
            self._pythons[environment] = python_of(environment, self._say)
        return self._pythons[environment]
