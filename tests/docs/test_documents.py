"""What README, tutorial and how-to say is done here, word for word; see `document.py`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from document import Block, Reader, blocks, commands, files, first_missing

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
ADOPT = ROOT / "docs" / "how-to" / "adopt.md"
MANY = ROOT / "docs" / "how-to" / "send-many-tasks.md"
POOL = ROOT / "docs" / "how-to" / "choose-a-pool.md"
VIEW = ROOT / "docs" / "how-to" / "answer-from-a-view.md"
PROGRESS = ROOT / "docs" / "how-to" / "show-progress.md"
LONG = ROOT / "docs" / "how-to" / "run-long-tasks.md"
RUN = (README, TUTORIAL, ADOPT, MANY, POOL, VIEW, PROGRESS, LONG)
STARTING_POINTS = list(dict.fromkeys(block.section for block in blocks(ADOPT)))
#: Kinds of blocks that are written to files.
WRITTEN = {"python", "html", "css", "js"}
#: Kinds of blocks that nobody runs.
SHOWN_ONLY = {"text", "json"}


@pytest.fixture
def new_reader(tmp_path: Path, redis_url: str) -> Iterator[Callable[[], Reader]]:
    """Gives readers with an empty folder, and ends all that they started."""
    readers: list[Reader] = []

    def new() -> Reader:
        folder = tmp_path / f"reader{len(readers)}"
        folder.mkdir()
        readers.append(Reader(folder, redis_url))
        return readers[-1]

    yield new
    for reader in readers:
        reader.close()


def follow(reader: Reader, told: list[Block]) -> Reader:
    for block in told:
        reader.follow(block)
    return reader


def test_the_readme_does_what_it_says(new_reader: Callable[[], Reader]) -> None:
    reader = follow(new_reader(), blocks(README))
    assert reader.done == ["flask celery up", "curl http://127.0.0.1:5000/api/v1/hello-world"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_tutorial_leads_to_a_periodic_task_and_to_production(
    new_reader: Callable[[], Reader],
) -> None:
    reader = follow(new_reader(), blocks(TUTORIAL))
    assert "flask celery up" in reader.done
    assert "flask celery beat" in reader.done
    assert (reader.folder / "instance" / "celeriac").is_dir()


@pytest.mark.parametrize("section", STARTING_POINTS)
def test_an_existing_application_runs_its_tasks_in_app_context(
    section: str, new_reader: Callable[[], Reader]
) -> None:
    reader = follow(new_reader(), [block for block in blocks(ADOPT) if block.section == section])
    assert any("celery worker" in done or "-A" in done for done in reader.done)
    assert any("celery call" in done for done in reader.done)


def test_many_tasks_are_sent(new_reader: Callable[[], Reader]) -> None:
    assert follow(new_reader(), blocks(MANY)).done[-1] == "python send.py"


def test_several_workers_run_as_the_page_about_pools_says(
    new_reader: Callable[[], Reader],
) -> None:
    reader = follow(new_reader(), blocks(POOL))
    assert sum("celery worker" in done for done in reader.done) == 3


def test_a_view_answers_with_a_result_or_with_where_it_will_be(
    new_reader: Callable[[], Reader],
) -> None:
    reader = follow(new_reader(), blocks(VIEW))
    assert sum(done.startswith("curl") for done in reader.done) == 2


@pytest.mark.browser
def test_a_page_shows_a_task_while_it_runs(
    new_reader: Callable[[], Reader], chromium: Any, wait_until: Callable[..., None]
) -> None:
    reader = follow(new_reader(), blocks(PROGRESS))
    assert reader.web is not None
    chromium.get(reader.web)
    shown = """
        const root = document.querySelector("celeriac-progress").shadowRoot;
        return [document.title, root.querySelector("[part=time]").innerText,
                getComputedStyle(root.querySelector("[part=fill]")).backgroundColor]"""
    own_colour, own_text = "rgb(122, 60, 194)", re.compile(r"\d+ seconds to go")

    def is_own() -> bool:
        _, time_left, colour = chromium.execute_script(shown)
        return colour == own_colour and bool(own_text.fullmatch(time_left))

    wait_until(is_own)
    wait_until(lambda: chromium.execute_script(shown)[0] == "50 pages", timeout_s=20)


def test_a_long_task_says_how_far_it_is_and_is_cancelled(
    new_reader: Callable[[], Reader],
) -> None:
    reader = follow(new_reader(), blocks(LONG))
    assert "python watch.py" in reader.done


def test_the_how_to_has_every_starting_point() -> None:
    assert len(STARTING_POINTS) == 5


@pytest.mark.parametrize("document", RUN, ids=lambda path: path.name)
def test_every_block_is_run_or_says_why_not(document: Path) -> None:
    found = blocks(document)
    fences = re.findall(r"^```\w*$", document.read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(found), "a block has no language, and so is not run"
    assert {block.kind for block in found} <= WRITTEN | {"console"} | SHOWN_ONLY
    for block in found:
        if block.why_not_run is None and block.kind in WRITTEN:
            assert files(block)
        elif block.why_not_run is None and block.kind == "console":
            assert commands(block)


def test_lines_are_compared_in_order_and_dots_stand_for_anything() -> None:
    printed = ["one   two", "three 3.25 s", "four"]
    assert first_missing(["one two", "three ... s", "...", "four"], printed) is None
    assert first_missing(["four", "one two"], printed) == "one two"
    assert first_missing(["three"], printed) == "three"
