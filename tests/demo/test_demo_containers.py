"""Dockerfile and compose file, without a Docker engine: specification, linter, promises."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo_processes import DEMO

COMPOSE_FILE = DEMO / "docker-compose.yml"
DOCKERFILE = (DEMO / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ROLES = ("flask", "worker", "beat")


def tool(name: str) -> str:
    """Path of a tool that pip installed, or a skip; in CI it must be there."""
    path = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if path is None:
        assert os.environ.get("CI") != "true", f"{name} is not installed"
        pytest.skip(f"{name} is not installed")
    return path


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text.removesuffix("s"))


def test_the_compose_file_follows_the_compose_specification() -> None:
    check = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, COMPOSE_FILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_wrong_key_in_the_compose_file_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(COMPOSE_FILE.read_text().replace("stop_grace_period", "stop_grace"))
    check = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(wrong)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 1


def test_the_linter_finds_nothing_in_the_dockerfile() -> None:
    done = subprocess.run(
        [tool("hadolint"), "--no-color", DEMO / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_there_are_four_services_and_the_worker_can_be_scaled() -> None:
    assert set(SERVICES) == {"flask", "worker", "beat", "redis"}
    for fixed in ("container_name", "hostname", "ports", "network_mode"):
        assert fixed not in SERVICES["worker"]


def test_the_three_roles_run_one_image_as_another_user_than_root() -> None:
    assert {SERVICES[role]["image"] for role in ROLES} == {"flask-celery-demo"}
    assert len({str(SERVICES[role]["build"]) for role in ROLES}) == 1
    assert {SERVICES[role]["pull_policy"] for role in ROLES} == {"build"}
    assert [SERVICES[role]["command"][0] for role in ROLES] == [
        "flask",
        "celery-worker",
        "celery-beat",
    ]
    user = re.findall(r"^USER (\S+)$", DOCKERFILE, re.M)
    assert len(user) == 1
    assert int(user[0]) > 0
    assert not any("user" in SERVICES[role] for role in ROLES)


def test_images_are_small_and_pinned_to_a_patch_release() -> None:
    bases = [base for base in re.findall(r"^FROM (\S+)", DOCKERFILE, re.M) if base != "scratch"]
    for image in [*bases, SERVICES["redis"]["image"]]:
        assert re.fullmatch(r"\w+:\d+\.\d+\.\d+-(slim-\w+|alpine)", image), image
    assert len(set(bases)) == 1


def test_nothing_but_the_web_is_published_and_only_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["flask"]
    assert all(port.startswith("127.0.0.1:") for port in published["flask"])


def test_redis_keeps_its_data_and_refuses_what_it_can_not_hold() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert any(volume.endswith(":/data") for volume in SERVICES["redis"]["volumes"])


def test_every_service_has_a_health_check_and_waits_for_a_healthy_redis() -> None:
    checks = {name: service["healthcheck"]["test"] for name, service in SERVICES.items()}
    assert checks["worker"] == ["CMD", "python", "-m", "flask_celeriac.health", "worker"]
    assert checks["beat"] == ["CMD", "python", "-m", "flask_celeriac.health", "beat"]
    assert "urlopen" in checks["flask"][-1]
    assert "redis-cli" in checks["redis"][-1]
    for role in ROLES:
        assert SERVICES[role]["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_a_stop_leaves_the_worker_time_for_its_soft_shutdown(ask_demo: Any) -> None:
    soft_s = ask_demo("service.my_celery.conf.worker_soft_shutdown_timeout", FLASK_ENV="production")
    assert 0 < soft_s < seconds(SERVICES["worker"]["stop_grace_period"])
    assert "stop_signal" not in SERVICES["worker"]  # SIGTERM is the one that begins it


def test_the_image_gets_no_development_extras_and_no_secrets() -> None:
    assert "[" not in (DEMO / "requirements.txt").read_text()
    ignored = (DEMO / ".dockerignore").read_text().splitlines()
    assert {".env*", ".git", ".venv", "instance"} <= set(ignored)
    assert re.findall(r"^ENTRYPOINT (.*)$", DOCKERFILE, re.M) == ['["./run.sh"]']
    assert re.findall(r"^CMD (.*)$", DOCKERFILE, re.M) == ['["flask"]']


def test_the_image_is_built_from_the_source_tree_around_the_demo() -> None:
    context = SERVICES["flask"]["build"]["additional_contexts"]["flask-celeriac"]
    source = (DEMO / context).resolve()
    assert (source / "pyproject.toml").is_file()
    assert (source / "src" / "flask_celeriac").is_dir()
    assert re.search(r"^FROM scratch AS flask-celeriac$", DOCKERFILE, re.M)
