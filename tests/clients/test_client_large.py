"""Tasks that were over before anybody looked, and large things."""

from __future__ import annotations

from client_site import Site, told, walked

from flask_celeriac.execute.meter import MOST_BYTES

MIB = 1024 * 1024


def test_a_task_that_ended_before_is_told_from_its_start(site: Site) -> None:
    task_id = site.submit("clients.flood", events=3, size=1)
    site.ended(task_id)
    reading = site.reading(task_id)
    assert reading.join()[-1].data == site.status(task_id)
    assert told(reading) == walked(3)
    assert site.open(task_id, cursor=5).status_code == 204


def test_a_result_of_a_mebibyte_arrives_by_every_way(site: Site) -> None:
    task_id = site.submit("clients.fill", size=MIB)
    assert site.ended(task_id)["result"] == "x" * MIB
    kind, end = [(frame.kind, frame.data) for frame in site.reading(task_id).join()][-1]
    assert (kind, end["result"]) == ("end", "x" * MIB)
    answer = site.get(f"/respond/{task_id}")
    assert (answer.status_code, answer.json()) == (200, "x" * MIB)


def test_progress_is_carried_whole_up_to_its_limit(site: Site) -> None:
    size = MOST_BYTES - len('{"water": ""}')
    task_id = site.submit("clients.flood", events=3, size=size)
    assert site.ended(task_id)["progress"]["water"] == "x" * size
    frames = [frame for frame in site.reading(task_id).join() if frame.kind == "progress"]
    assert [len(frame.data["water"]) for frame in frames] == [size] * 3
    task_id = site.submit("clients.flood", events=3, size=size + 1)
    assert "water" not in site.ended(task_id)["progress"]
