"""A cursor is not signed: a forged one shows the same list from another place on, and nothing else."""

from __future__ import annotations

import base64
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.hostile import cursor
from tests.helpers.pipeline import Answer, Pipeline

OWNERS = ("alice", "bob")


def following(answer: Answer) -> str:
    """Return the cursor of the next page."""
    return answer.headers["link"].partition("cursor=")[2].partition(">")[0]


def with_jobs() -> Pipeline:
    """Return a pipeline with six failed jobs of each of two callers, in turns."""
    pipeline = Pipeline()
    for i in range(12):
        pipeline.do("DELETE", f"/items/nope{i}", owner=OWNERS[i % 2])
    return pipeline


def failed(pipeline: Pipeline, owner: str, query: str = "") -> Answer:
    return pipeline.request("GET", f"/jobs?status=failed{query}", owner=owner)


@given(st.uuids())
def test_a_forged_cursor_of_items_shows_a_part_of_the_same_list(forged: uuid.UUID) -> None:
    pipeline = Pipeline()
    for i in range(5):
        pipeline.do("POST", "/items", {"name": f"item {i}", "description": "d"})
    everything = pipeline.request("GET", "/items").json
    answer = pipeline.request("GET", f"/items?cursor={cursor(str(forged))}")
    assert answer.status == 200
    assert all(item in everything for item in answer.json)


@pytest.mark.parametrize("owner", OWNERS)
def test_a_forged_cursor_shows_another_part_of_the_callers_own_list(owner: str) -> None:
    """The forged cursors include the keys of another caller's jobs."""
    pipeline = with_jobs()
    own = failed(pipeline, owner).json
    assert {job["id"] for job in own} == {job.job_id for job in pipeline.jobs.rows.values() if job.owner == owner}
    assert len(own) == 6
    places = [f"failed#{job.updated_at}#{job_id}" for job_id, job in pipeline.jobs.rows.items()]
    places += [f"failed#9999-12-31T23:59:59.999Z#{'f' * 32}", f"failed#0001-01-01T00:00:00.000Z#{'0' * 32}"]
    shown = []
    for place in places:
        answer = failed(pipeline, owner, f"&cursor={cursor(place)}")
        assert answer.status == 200
        assert answer.json == own[len(own) - len(answer.json) :], "the rest of the list, from some place on"
        shown.append(len(answer.json))
    assert set(shown) == set(range(7)), "each place is the start of one answer"


def test_a_cursor_contains_only_values_of_its_page() -> None:
    pipeline = with_jobs()
    answer = failed(pipeline, "alice", "&limit=2")
    [*_, last] = answer.json
    text = base64.urlsafe_b64decode(following(answer) + "==").decode()
    assert text == f"failed#{last['updated_at']}#{last['id']}"
    for i in range(2):
        pipeline.do("POST", "/items", {"name": f"item {i}", "description": "d"})
    answer = pipeline.request("GET", "/items?limit=1")
    assert base64.urlsafe_b64decode(following(answer)).decode() == answer.json[0]["id"]


ITEM = cursor("00000000-0000-4000-8000-000000000000")
FAILED, RETRYING, QUEUED = (
    cursor(f"{status}#2026-01-01T00:00:00.000Z#{'a' * 32}") for status in ("failed", "retrying", "queued")
)


@pytest.mark.parametrize(
    ("target", "good"),
    [("/items?", ITEM), ("/jobs?status=failed&", FAILED), ("/jobs?status=retrying&", RETRYING)],
)
def test_a_cursor_of_another_list_or_form_is_refused(pipeline: Pipeline, target: str, good: str) -> None:
    for given_ in {ITEM, FAILED, RETRYING, QUEUED, ITEM.lower(), FAILED + "=", FAILED[:-1], "", "x", cursor("x")}:
        answer = pipeline.request("GET", f"{target}cursor={given_}")
        assert answer.status == (200 if given_ == good else 400), given_
