"""Which folders hold the code of an app."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from flask import Flask

_INSTALLED = ("site-packages", "dist-packages")


def code_roots(app: Flask, task_packages: Iterable[str]) -> list[Path]:
    """Return the folders to watch: the project of *app*, and packages that hold tasks.

    The project is the folder from which the app is imported, so that `config.py` beside the
    package counts too; for an installed app, only its own package.
    """
    roots = [_project(app), *_packages(task_packages)]
    return [root for root in dict.fromkeys(roots) if not any(p in roots for p in root.parents)]


def _project(app: Flask) -> Path:
    own = Path(app.root_path).resolve()
    module = sys.modules.get(app.import_name)
    if module is None or module.__name__ == "__main__":
        return own
    levels = app.import_name.count(".") + hasattr(module, "__path__")
    project = own.parents[levels - 1] if 0 < levels <= len(own.parents) else own
    is_too_wide = project in (Path.home(), Path(project.anchor))
    return own if is_too_wide or project.name in _INSTALLED else project


def _packages(names: Iterable[str]) -> Iterator[Path]:
    for name in names:
        try:
            spec = find_spec(name)
        except (ImportError, ValueError):
            continue
        places = spec.submodule_search_locations if spec else None
        for place in places or ([str(Path(spec.origin).parent)] if spec and spec.origin else []):
            path = Path(place).resolve()
            if not any(part in _INSTALLED for part in path.parts):
                yield path
