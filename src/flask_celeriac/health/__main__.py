"""`python -m flask_celeriac.health worker|beat|broker`: one line, and an exit code for a probe."""

from __future__ import annotations

import argparse
import os
import sys
import time

HEALTHY, UNHEALTHY, UNKNOWN = 0, 1, 2

_EPILOG = """\
exit codes: 0 healthy, 1 not healthy, 2 can not tell (wrong use, folder not readable).
worker and beat: the process wrote its state file within 10 s and its last look for work
succeeded within 30 s, or all its slots are busy. Several on one machine: all must be well,
or choose one with --name or --pid. Of workers under a supervisor (--processes) none may be
missing for more than 30 s. broker: one server of the URL answers; one that asks for a
password counts as alive. The URL is --url, CELERY_BROKER_URL or FLASK_CELERY_BROKER_URL."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flask_celeriac.health",
        description="Is it well? For container probes; imports no application.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("role", choices=("worker", "beat", "broker"))
    parser.add_argument("--name", help="node name, as in celery@host")
    parser.add_argument("--pid", type=int, help="process id")
    parser.add_argument("--state-dir", help="folder of state files (CELERIAC_STATE_DIR)")
    parser.add_argument("--url", help="broker URL, or host:port")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing when healthy")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Print one line about worker, beat or broker.

    Returns:
        0 healthy, 1 not healthy, 2 can not tell.
    """
    options = _parser().parse_args(argv)
    try:
        is_healthy, text = _broker(options) if options.role == "broker" else _process(options)
    except (ValueError, OSError) as error:
        print(f"can not tell: {error}")
        return UNKNOWN
    if not (is_healthy and options.quiet):
        print(text)
    return HEALTHY if is_healthy else UNHEALTHY


def _process(options: argparse.Namespace) -> tuple[bool, str]:
    from .state_file import StateFolder, default_folder, named_folder
    from .verdict import judge_role

    named = named_folder(options.state_dir)
    try:
        folder = StateFolder(named)
    except FileNotFoundError:
        return False, f"no {options.role} keeps a state file in {named or default_folder()}"
    with folder:
        verdict = judge_role(
            options.role, folder, time.monotonic(), name=options.name, pid=options.pid
        )
    return verdict.is_healthy, verdict.text


def _broker(options: argparse.Namespace) -> tuple[bool, str]:
    from .broker import ask, parse, url_from

    url = options.url or url_from(os.environ)
    if not url:
        raise ValueError("no broker URL: set CELERY_BROKER_URL or give --url")
    verdict = ask(parse(url))
    return verdict.is_healthy, verdict.text


if __name__ == "__main__":
    sys.exit(main())
