"""Sites on a private Redis, and on other result backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from event_site import Site, make_site


@pytest.fixture
def new_site(redis_url: str) -> Iterator[Callable[..., Site]]:
    """Make sites; what is not said is on an empty Redis database."""
    sites: list[Site] = []

    def new(**config: Any) -> Site:
        urls = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url}
        sites.append(make_site(**{**urls, **config}))
        return sites[-1]

    yield new
    for site in sites:
        site.celery.close()


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site()


@pytest.fixture(params=["file://{folder}", "db+sqlite:///{folder}/results", "{redis}"])
def slow_site(
    new_site: Callable[..., Site], request: pytest.FixtureRequest, redis_url: str, tmp_path: Path
) -> Site:
    """A site whose results are kept where nothing is pushed from; the last is Celery's own."""
    url = request.param.format(folder=tmp_path, redis=redis_url)
    transport = "kombu" if url == redis_url else "celeriac"
    return new_site(CELERY_RESULT_BACKEND=url, CELERIAC_TRANSPORT=transport)
