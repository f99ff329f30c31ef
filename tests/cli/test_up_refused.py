"""What `flask celery up` can not do: one clear line, exit code 1, and nothing was started."""

from __future__ import annotations

import socket
from pathlib import Path

import click
import pytest
from up_runner import Up, make_project

from flask_celeriac.cli import up as up_module
from flask_celeriac.embedded import EmbeddedServer, server
from flask_celeriac.errors import MissingExtra


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path)


def refusal(up: Up) -> str:
    """The only line of an `up` that ended at once."""
    with up:
        assert up.finish() == 1, up.lines
    assert len(up.lines) == 1, up.lines
    return up.lines[0]


def test_a_port_in_use_is_named_with_another_one(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refusal(Up(project, "--port", str(port)))

    assert f"Port {port} on 127.0.0.1 is in use" in line
    assert "--port" in line


def test_a_host_of_another_machine_is_refused(project: Path) -> None:
    assert "Can not listen on 192.0.2.1" in refusal(Up(project, "--host", "192.0.2.1"))


def test_a_broker_that_is_down_is_named(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"redis://:secret@127.0.0.1:{port}/0"

    line = refusal(Up(project, "--port", "0", FLASK_CELERY_BROKER_URL=url))

    assert f"127.0.0.1:{port}" in line
    assert "CELERY_BROKER_URL" in line
    assert "secret" not in line


def test_a_broker_that_never_answers_is_given_up(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        line = refusal(Up(project, "--port", "0", FLASK_CELERY_BROKER_URL=url))

    assert "can not be used" in line


def test_a_wrong_password_is_told(project: Path, redis_server: EmbeddedServer) -> None:
    url = "redis://:wrong@" + redis_server.url.partition("@")[2]

    line = refusal(Up(project, "--port", "0", FLASK_CELERY_BROKER_URL=url))

    assert "WRONGPASS" in line or "password" in line.lower()


def test_an_instance_folder_that_can_not_be_made_is_named(project: Path) -> None:
    (project / "instance").write_text("a file is in the way")

    line = refusal(Up(project, "--port", "0"))

    assert str(project / "instance" / "celeriac") in line
    assert "instance_path" in line


def test_a_missing_server_binary_is_told_with_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_no_binary(_: str | None) -> None:
        raise MissingExtra('pip install "flask-celeriac[embedded]"')

    monkeypatch.setattr(server, "find_binary", find_no_binary)

    with pytest.raises(click.ClickException, match="pip install"):
        up_module._start_server(tmp_path / "celeriac")
