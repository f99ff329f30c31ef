"""Documents as tests: what a reader would type and see.

The convention, for README.md, docs/tutorial.md and docs/how-to/*.md:

- A ```python block begins with a comment that names its file, `# app/tasks.py`; further such
  lines in the block begin further files. `# app/tasks.py, added` appends. `# before: app/tasks.py`
  is code of somebody else, which is compiled and not run.
- So do ```html, ```css and ```js blocks, in comments of their own: `{# templates/page.html #}`,
  `/* static/page.css */`, `// static/page.js`.
- A ```console block holds commands after `$ ` and, below each, lines that must appear in this
  order in what it prints; `...` stands for anything. It must end with exit code 0. `flask celery
  up`, workers and beats are started, awaited until they have printed their lines, and left running.
  A block that begins without a command shows what such a program prints next, `^C` interrupts the
  one that was started first.
- `<!-- not run: reason -->` before a block excuses it.

What differs from a reader's machine: `flask celery up` takes any free port, and addresses are
replaced by it; `redis://localhost:6379/0` is replaced by the URL of a private server; a `curl` of
an address is done here.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

WEB = "http://127.0.0.1:5000"
BROKER = "redis://localhost:6379/0"
START_S = 60.0
#: A reader is slower than this machine: a probe may find a process that has only just started.
PATIENCE_S = 15.0
_PROBE = "python -m flask_celeriac.health"
_BLOCK = re.compile(r"^(?:<!-- not run: (.+) -->\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^(?:#|//|/\*|\{#) ((?:before: )?)([\w./-]+\.\w+)(, added)?(?::? .*)?$")
_WRITTEN = ("python", "html", "css", "js")
_SERVER = re.compile(r"(flask .*celery (up|worker|beat)|celery -A \S+ (worker|beat))\b")


@dataclass(frozen=True)
class Block:
    """One block of code of a document."""

    kind: str
    text: str
    section: str
    why_not_run: str | None


@dataclass(frozen=True)
class File:
    """What a reader writes into one file, or has there already (`is_before`)."""

    path: str
    text: str
    is_added: bool
    is_before: bool


@dataclass
class Command:
    """A command and the lines below it; the command is "" where a block begins with lines."""

    words: str
    expected: list[str] = field(default_factory=list)


def blocks(document: Path) -> list[Block]:
    """Return the blocks of *document* in order, each with the heading above it."""
    text = document.read_text()
    headings = [(m.start(), m[1]) for m in re.finditer(r"^## (.+)$", text, re.MULTILINE)]
    return [
        Block(
            match[2],
            match[3],
            next((title for start, title in reversed(headings) if start < match.start()), ""),
            match[1],
        )
        for match in _BLOCK.finditer(text)
    ]


def files(block: Block) -> list[File]:
    """Take a block that holds files apart.

    Raises:
        AssertionError: Its first line names no file.
    """
    found: list[File] = []
    for line in block.text.splitlines(keepends=True):
        named = _FILE.match(line.rstrip("\n"))
        if named:
            found.append(File(named[2], "", bool(named[3]), bool(named[1])))
            continue
        assert found, f"a block begins without the name of its file: {line!r}"
        last = found[-1]
        found[-1] = File(last.path, last.text + line, last.is_added, last.is_before)
    return found


def commands(block: Block) -> list[Command]:
    """Take a console block apart."""
    found: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ ") or line == "^C":
            found.append(Command(line.removeprefix("$ ")))
        elif found:
            found[-1].expected.append(line)
        else:
            found.append(Command("", [line]))
    return found


class Output:
    """Collects the lines that a program prints."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._process = process
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def end(self) -> None:
        """Wait for the last line, once the process is gone, and close the pipe."""
        self._thread.join(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


@dataclass
class Server:
    """A program that goes on running."""

    command: str
    process: subprocess.Popen[str]
    output: Output
    seen: int = 0


class Reader:
    """Follows a document: writes the files, types the commands, compares what comes."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        self.folder = folder
        self.web: str | None = None
        self.servers: list[Server] = []
        self.done: list[str] = []
        self._broker_url = broker_url
        ours = ("CELERY", "CELERIAC", "FLASK", "REDIS")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
        state = folder.with_name(f"{folder.name}-state")
        self.environ = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": "",
            "CELERIAC_STATE_DIR": str(state),
        }

    def follow(self, block: Block) -> None:
        """Do what *block* says.

        Raises:
            AssertionError: Something else came of it.
        """
        if block.why_not_run is not None:
            return
        if block.kind in _WRITTEN:
            for file in files(block):
                self._write(file)
        elif block.kind == "console":
            for command in commands(block):
                self._type(command)

    def _write(self, file: File) -> None:
        if file.path.endswith(".py"):
            compile(file.text, file.path, "exec")
        if file.is_before:
            return
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        text = file.text
        if file.is_added:
            text = f"{path.read_text()}\n\n{text}"
        path.write_text(text)

    def _type(self, command: Command) -> None:
        words = command.words.replace(BROKER, self._broker_url)
        self.done.append(command.words)
        first = words.split(" ", 1)[0]
        if not words:
            self._expect(self.servers[0], command.expected)
        elif words == "^C":
            self.stop(self.servers[0], command.expected)
        elif first == "cd":
            self.folder = self.folder / words.split()[1]
        elif first == "export":
            name, _, value = words.removeprefix("export ").partition("=")
            self.environ[name] = value
        elif first == "curl":
            self._fetch(words, command.expected)
        elif _SERVER.match(words):
            self._start(words, command.expected)
        else:
            self._run(words, command.expected)

    def _run(self, words: str, expected: list[str]) -> None:
        deadline = time.monotonic() + (PATIENCE_S if words.startswith(_PROBE) else 0)
        while (ended := self._call(words)).returncode != 0:
            is_over = time.monotonic() > deadline
            assert not is_over, f"{words}\n{ended.stdout}\n{ended.stderr}\n{self.story()}"
        missing = first_missing(expected, ended.stdout.splitlines())
        assert missing is None, f"{words} did not print {missing!r}:\n{ended.stdout}"

    def _call(self, words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            shlex.split(words),
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )

    def _fetch(self, words: str, expected: list[str]) -> None:
        assert self.web is not None, "no web server runs"
        url = words.split()[-1].replace(WEB, self.web)
        with urlopen(url, timeout=START_S) as response:
            lines = response.read().decode().splitlines()
        missing = first_missing(expected, lines)
        assert missing is None, f"{words} did not answer {missing!r}: {lines}"

    def _start(self, words: str, expected: list[str]) -> None:
        is_up = words.endswith("celery up")
        process = subprocess.Popen(
            [*shlex.split(words), *(["--port", "0"] if is_up else [])],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        server = Server(words, process, Output(process))
        self.servers.append(server)
        if is_up:
            ready = r"Ready: (http://\S+)"
            lines = server.output.lines
            self._wait_for(lambda: re.search(ready, "\n".join(lines)), server, "is ready")
            self.web = re.findall(ready, "\n".join(lines))[0]
        self._expect(server, expected)

    def _expect(self, server: Server, expected: list[str]) -> None:
        """Wait for *expected* among the lines that no earlier block has shown."""
        wanted = [line.replace(WEB, self.web or WEB) for line in expected]

        def is_there() -> bool:
            return first_missing(wanted, server.output.lines[server.seen :]) is None

        self._wait_for(is_there, server, f"prints {wanted}")
        server.seen = len(server.output.lines)

    def _wait_for(self, condition: Callable[[], object], server: Server, what: str) -> None:
        deadline = time.monotonic() + START_S
        while not condition():
            is_over = server.process.poll() is not None or time.monotonic() > deadline
            assert not is_over, (
                f"not within {START_S:.0f} s: {server.command} {what}\n{self.story()}"
            )
            time.sleep(0.05)

    def stop(self, server: Server, expected: list[str]) -> None:
        """Press Ctrl-C in its terminal."""
        server.process.send_signal(signal.SIGINT)
        code = server.process.wait(20)
        server.output.end()
        self.servers.remove(server)
        missing = first_missing(expected, server.output.lines[server.seen :])
        assert missing is None, f"{server.command} did not print {missing!r}"
        assert code in (0, 130), f"{server.command} ended with exit code {code}"

    def close(self) -> None:
        """End what still runs."""
        for server in self.servers:
            if server.process.poll() is None:
                server.process.send_signal(signal.SIGINT)
        for server in self.servers:
            try:
                server.process.wait(15)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(server.process.pid, signal.SIGKILL)
                server.process.wait(15)
            server.output.end()
        self.servers.clear()

    def story(self) -> str:
        """What the programs that run have printed so far."""
        return "\n".join(f"--- {s.command}\n" + "\n".join(s.output.lines) for s in self.servers)


def first_missing(expected: list[str], lines: list[str]) -> str | None:
    """Return the first of *expected* that *lines* do not hold in this order, or None."""
    rest: Iterator[str] = iter(lines)
    for line in expected:
        if line.strip() in ("", "..."):
            continue
        pattern = re.compile(r".*".join(re.escape(part) for part in loose(line).split("...")))
        if not any(pattern.fullmatch(loose(found)) for found in rest):
            return line
    return None


def loose(line: str) -> str:
    """Blanks at the ends and the width of columns do not count."""
    return " ".join(line.split())
