"""What a tool saw of a worker, once for each pool: workers are slow to start."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from stage import observe

from flask_celeriac.embedded import EmbeddedServer

Seen = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def observed(
    redis_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Seen]:
    """A function that returns what a tool saw of a pool, for each kind of application."""
    folder: Path = tmp_path_factory.mktemp("observed")

    @cache
    def look(tool: str, pool: str) -> Seen:
        return observe(tool, pool, redis_server.url, folder / tool / pool)

    return look
