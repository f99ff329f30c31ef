"""Fixtures: read a configuration without the environment of this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_celeriac.errors import ConfigurationError
from flask_celeriac.settings import Settings, read_settings


@pytest.fixture
def read() -> Callable[..., Settings]:
    """Read a configuration; development unless told otherwise, and with an empty environment."""

    def read(config: dict[str, Any], **options: Any) -> Settings:
        options = {"is_production": False, "environ": {}, **options}
        return read_settings(config, **options)

    return read


@pytest.fixture
def problems_of(read: Callable[..., Settings]) -> Callable[..., list[str]]:
    """Read a configuration that is wrong; gives the lines of the error, one a problem."""

    def problems_of(config: dict[str, Any], **options: Any) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            read(config, **options)
        lines = str(caught.value).splitlines()
        assert lines[0] == "The configuration is wrong; nothing was started."
        return [line.removeprefix("  - ") for line in lines[1:]]

    return problems_of
