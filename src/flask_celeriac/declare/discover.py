"""Finds the modules called `tasks`, so that no factory has to import them."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TypeGuard

from flask import Flask

from flask_celeriac.errors import ConfigurationError


def import_task_modules(app: Flask, packages: Iterable[str]) -> list[str]:
    """Import every `tasks` module of the app's package and of *packages*.

    Searched are the packages and the packages inside them; a `tasks` package is imported with all
    its modules. For an app that is a single module, a `tasks.py` beside it.

    Returns:
        The names of the modules, in the order of import.

    Raises:
        ConfigurationError: A package of ``CELERIAC_TASK_PACKAGES`` does not exist.
        Exception: What a module raised when imported, with its own traceback and a note that
            says why it was imported.
    """
    names = list(dict.fromkeys([*_of_app(app), *_of_packages(packages)]))
    for name in names:
        try:
            import_module(name)
        except BaseException as error:
            error.add_note(
                f"This happened while Celeriac.init_app imported the tasks module {name!r} "
                f"of the Flask app {app.name!r}."
            )
            raise
    return names


def _of_app(app: Flask) -> Iterator[str]:
    spec = None if app.import_name == "__main__" else find_spec(app.import_name)
    if spec is not None and spec.submodule_search_locations is not None:
        yield from _search(spec.name, spec.submodule_search_locations)
    elif spec is not None and spec.parent:
        yield from _of_packages([spec.parent])
    elif _is_importable(beside := PathFinder.find_spec("tasks", [app.root_path])):
        yield from _with_submodules("tasks", beside.submodule_search_locations or ())


def _is_importable(beside: ModuleSpec | None) -> TypeGuard[ModuleSpec]:
    """Whether `import tasks` would find the module *beside* the app."""
    found = find_spec("tasks") if beside is not None else None
    return found is not None and beside is not None and found.origin == beside.origin


def _of_packages(packages: Iterable[str]) -> Iterator[str]:
    for package in packages:
        try:
            spec = find_spec(package)
        except ModuleNotFoundError:
            spec = None
        if spec is None:
            raise ConfigurationError(
                f"CELERIAC_TASK_PACKAGES names {package!r}, which can not be found: correct the "
                "name, or install the package."
            )
        if spec.submodule_search_locations is None:
            yield package
        else:
            yield from _search(package, spec.submodule_search_locations)


def _search(package: str, folders: Iterable[str]) -> Iterator[str]:
    # Looks at files only: a package without tasks is not imported.
    folders = list(folders)
    for module in pkgutil.iter_modules(folders):
        name = f"{package}.{module.name}"
        if module.name == "tasks":
            yield from _with_submodules(name, _inside(folders, module.name))
        elif module.ispkg:
            yield from _search(name, _inside(folders, module.name))


def _with_submodules(name: str, folders: Iterable[str]) -> Iterator[str]:
    yield name
    for module in pkgutil.iter_modules(list(folders)):
        yield f"{name}.{module.name}"


def _inside(folders: Iterable[str], name: str) -> list[str]:
    return [str(Path(folder) / name) for folder in folders]
