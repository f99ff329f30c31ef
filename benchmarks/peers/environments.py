"""A virtual environment for each library: what they need does not fit into one."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_HOME = ROOT / ".venv-peers"
_TABLE = Path(__file__).with_name("requirements.toml")
_INSTALL_WITHIN_S = 900


class NoEnvironment(RuntimeError):
    """An environment could not be made; the message holds what pip said last."""


def python_of(name: str, say: Callable[[str], None]) -> Path:
    """Return the interpreter of the environment *name*, which is made when it is missing or old.

    Raises:
        NoEnvironment: It could not be made; it is tried again the next time.
    """
    wanted = tomllib.loads(_TABLE.read_text())[name]
    folder = _HOME / name
    python = folder / "bin" / "python"
    made, mark = folder / "made", _mark(wanted)
    if not made.exists() or made.read_text() != mark:
        say(f"making the environment {folder.relative_to(ROOT)}")
        made.unlink(missing_ok=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), *_PIP, *wanted["packages"], *_checkout(wanted)])
        made.write_text(mark)
    return python


_PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")


def _checkout(wanted: dict[str, Any]) -> list[str]:
    # Editable: what is measured is what lies here now, not when the environment was made.
    return ["--editable", str(ROOT)] if wanted.get("checkout") else []


def _mark(wanted: dict[str, Any]) -> str:
    project = (ROOT / "pyproject.toml").read_text() if wanted.get("checkout") else ""
    return hashlib.sha256(f"{sys.version}{wanted}{project}".encode()).hexdigest()


def _run(command: list[str]) -> None:
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_INSTALL_WITHIN_S
        )
    except subprocess.CalledProcessError as error:
        raise NoEnvironment(error.stderr[-2000:]) from error
    except subprocess.TimeoutExpired as error:
        raise NoEnvironment(f"{command} took too long") from error
