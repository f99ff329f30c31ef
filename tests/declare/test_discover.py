"""Tasks modules are found without an import in the factory."""

from __future__ import annotations

import sys
import textwrap
import traceback

import pytest

from flask_celeriac.errors import ConfigurationError


@pytest.fixture
def write_package(tmp_path, monkeypatch):
    """Write the files of an application into a folder from which it can be imported."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def write(files: dict[str, str]):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return tmp_path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


FACTORY = """
    from flask import Flask
    from flask_celeriac import Celeriac

    celeriac = Celeriac()

    def create_app(**config):
        app = Flask(__name__)
        app.testing = True
        app.config.update(CELERY_BROKER_URL="memory://", **config)
        celeriac.init_app(app)
        return app
"""
TASKS = """
    from nursery import celeriac

    @celeriac.task
    def sow():
        return __name__
"""


def tasks_of(app) -> set[str]:
    return set(app.extensions["celeriac"].tasks)


def test_the_tasks_of_the_package_and_of_the_packages_in_it_are_found(write_package):
    write_package(
        {
            "nursery/__init__.py": FACTORY,
            "nursery/tasks.py": TASKS,
            "nursery/shop/__init__.py": "",
            "nursery/shop/tasks/__init__.py": TASKS,
            "nursery/shop/tasks/mail.py": TASKS,
            "nursery/quiet/__init__.py": "raise SystemError('has no tasks: not imported')",
        }
    )
    import nursery

    names = ("tasks", "shop.tasks", "shop.tasks.mail")
    assert tasks_of(nursery.create_app()) == {f"nursery.{name}.sow" for name in names}


def test_packages_of_the_configuration_are_searched_too(write_package):
    write_package(
        {
            "nursery/__init__.py": FACTORY,
            "greenhouse/__init__.py": "",
            "greenhouse/tasks.py": TASKS,
        }
    )
    import nursery

    app = nursery.create_app(CELERIAC_TASK_PACKAGES=["greenhouse"])
    assert tasks_of(app) == {"greenhouse.tasks.sow"}


def test_a_package_that_does_not_exist_is_an_error_that_names_it(write_package):
    write_package({"nursery/__init__.py": FACTORY})
    import nursery

    with pytest.raises(ConfigurationError, match=r"CELERIAC_TASK_PACKAGES.*no_such_house"):
        nursery.create_app(CELERIAC_TASK_PACKAGES=["no_such_house"])


def test_a_tasks_module_beside_a_single_file_app_is_found(write_package):
    write_package({"nursery.py": FACTORY, "tasks.py": TASKS})
    import nursery

    assert tasks_of(nursery.create_app()) == {"tasks.sow"}


def test_an_app_without_tasks_is_fine(write_package):
    write_package({"nursery.py": FACTORY})
    import nursery

    assert tasks_of(nursery.create_app()) == set()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("def sow(:\n", SyntaxError),
        ("import no_such_module\n", ImportError),
        ("1 / 0\n", ArithmeticError),
    ],
)
def test_a_broken_tasks_module_fails_loudly_with_its_own_traceback(write_package, text, error):
    folder = write_package({"nursery/__init__.py": FACTORY, "nursery/tasks.py": text})
    import nursery

    with pytest.raises(error) as raised:
        nursery.create_app()
    shown = "".join(traceback.format_exception(raised.value))
    assert str(folder / "nursery" / "tasks.py") in shown
    assert "tasks module 'nursery.tasks'" in shown
