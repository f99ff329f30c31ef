"""`python -m flask_celeriac.cli.green gevent ARGUMENTS`: `flask ARGUMENTS`, patched first."""

from __future__ import annotations

import sys


def main() -> None:
    """Patch for the pool that the first argument names; give the others to `flask`."""
    if sys.argv.pop(1) == "eventlet":
        import eventlet  # type: ignore[import-not-found]

        eventlet.monkey_patch()
    else:
        from gevent import monkey  # type: ignore[import-untyped]

        monkey.patch_all()
    from flask.cli import main as flask

    sys.argv[0] = "flask"
    flask()


if __name__ == "__main__":
    main()
