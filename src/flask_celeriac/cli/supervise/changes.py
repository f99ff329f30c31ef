"""Notice saved Python files of the app, with watchfiles when it is installed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchfiles import Change

_IGNORED_NAMES = {"node_modules", "__pycache__", "site-packages", "dist-packages"}
_MOST_FOLDERS = 2000
_INSTALL = 'pip install "flask-celeriac[dev]"'


class Changes:
    """Collects saved files, from its own thread.

    Only `.py` files count. Hidden folders (.venv, .git), virtual environments, node_modules,
    __pycache__ and the instance folder are not watched at all.

    Args:
        roots: Folders, watched with what is below them.
        instance: The instance folder.
    """

    def __init__(self, roots: Sequence[Path], instance: Path) -> None:
        self._roots = roots
        self._instance = instance.resolve()
        self._lock = threading.Lock()
        self._saved: set[Path] = set()
        self._stop = threading.Event()
        self.problem: str | None = None
        """Why nothing is watched; None when all is well."""

    def start(self) -> None:
        """Begin to watch, if that is possible; else `problem` says why not."""
        try:
            import watchfiles  # noqa: F401 - to be sure before the thread needs it
        except ImportError:
            self.problem = f"Worker and beat do not reload when code changes: {_INSTALL}"
            return
        threading.Thread(target=self._watch, name="changes", daemon=True).start()

    def stop(self) -> None:
        """End the thread soon."""
        self._stop.set()

    def take(self) -> set[Path]:
        """Return the files saved since the last call."""
        with self._lock:
            saved, self._saved = self._saved, set()
        return saved

    def _watch(self) -> None:
        try:
            while not self._stop.is_set():
                self._watch_present_folders()
        except Exception as error:  # whatever it is: `up` goes on without reload
            self.problem = f"Worker and beat no longer reload when code changes: {error}"

    def _watch_present_folders(self) -> None:
        """Watch until there is a new folder."""
        from watchfiles import watch

        folders = list(self._folders())
        batches = watch(
            *folders,
            recursive=False,
            watch_filter=self._is_of_interest,
            debounce=300,
            stop_event=self._stop,
            raise_interrupt=False,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
        for batch in batches:
            paths = [Path(path) for _, path in batch]
            # In a quiet moment: what was made before the watching began was told to nobody.
            present = [path for path in paths if path.is_dir()] if batch else self._folders()
            new_folders = [path for path in present if path not in folders]
            found = [file for folder in new_folders for file in folder.rglob("*.py")]
            self._add([path for path in [*paths, *found] if path.suffix == ".py"])
            if new_folders:
                return

    def _add(self, files: Sequence[Path]) -> None:
        with self._lock:
            self._saved.update(files)

    def _is_of_interest(self, _change: Change, path: str) -> bool:
        file = Path(path)
        if file.name.startswith("."):
            return False
        return file.suffix == ".py" or (file.is_dir() and not self._is_ignored(file))

    def _folders(self) -> Iterator[Path]:
        waiting = list(self._roots)
        seen: set[Path] = set()
        while waiting and len(seen) < _MOST_FOLDERS:
            folder = waiting.pop(0)
            if folder in seen:
                continue
            seen.add(folder)
            yield folder
            try:
                below = sorted(path for path in folder.iterdir() if path.is_dir())
            except OSError:
                continue
            waiting += [path for path in below if not self._is_ignored(path)]

    def _is_ignored(self, folder: Path) -> bool:
        return (
            folder.name in _IGNORED_NAMES
            or folder.name.startswith(".")
            or folder == self._instance
            or folder.is_symlink()
            or (folder / "pyvenv.cfg").exists()
        )


def first_syntax_error(files: set[Path]) -> str | None:
    """Compile *files*; return the first error as "path:line: what", or None."""
    for file in sorted(files):
        try:
            compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            return f"{file}:{line or 1}: {type(error).__name__}: {getattr(error, 'msg', error)}"
        except OSError:
            continue
    return None
