"""GET /jobs: the list of all jobs, its filters and its pages."""

from __future__ import annotations

import pytest

from jobpipe.runtime.settings import Settings
from tests.helpers.pipeline import Pipeline


def test_all_jobs_are_listed_newest_first_without_results(pipeline: Pipeline) -> None:
    done = [pipeline.do("POST", "/items", {"name": f"n{i}", "description": "d"}) for i in range(3)]
    failed = pipeline.do("DELETE", "/items/nope")
    pipeline.do("POST", "/items", {"name": "bob's", "description": "d"}, owner="bob")
    queued = pipeline.request("DELETE", "/items/later").json
    everything = [*done, failed, queued]
    listed = pipeline.request("GET", "/jobs").json
    without = {"result", "etag", "command"}
    expected = [{name: each[name] for name in each if name not in without} for each in everything]
    assert listed == sorted(expected, key=lambda job: (job["created_at"], job["id"]), reverse=True)
    for status, those in {"succeeded": done, "queued": [queued], "failed": [failed], "cancelled": []}.items():
        answer = pipeline.request("GET", f"/jobs?status={status}").json
        assert {job["id"] for job in answer} == {job["id"] for job in those}
    assert pipeline.request("GET", "/jobs?collection=orders").json == []
    assert pipeline.request("GET", "/jobs?collection=items").json == listed
    assert pipeline.request("GET", "/jobs?status=failed&collection=orders").json == []


def test_jobs_of_a_batch_link_to_it_and_it_has_its_key(pipeline: Pipeline) -> None:
    commands = [{"operation": "delete", "item_id": name} for name in ("one", "two")]
    batch = pipeline.request(
        "POST", "/batches", {"commands": commands}, headers={"Idempotency-Key": "import-7"}
    ).json
    alone = pipeline.request("DELETE", "/items/three").json
    links = {job["id"]: job["links"].get("batch") for job in pipeline.request("GET", "/jobs").json}
    of_batch = [entry["job"]["id"] for entry in batch["entries"]]
    assert links == {alone["id"]: None, **dict.fromkeys(of_batch, f"/batches/{batch['id']}")}
    assert pipeline.request("GET", f"/jobs/{of_batch[0]}").json["links"]["batch"] == batch["links"]["self"]
    assert pipeline.request("GET", f"/batches/{batch['id']}").json["idempotency_key"] == "import-7"
    without = pipeline.request("POST", "/batches", {"commands": commands}).json
    assert "idempotency_key" not in without


def test_pages_keep_their_filters(pipeline: Pipeline) -> None:
    for i in range(5):
        pipeline.do("POST", "/items", {"name": f"n{i}", "description": "d"})
    since = "2020-01-01T00:00:00%2B01:00"
    target = f"/jobs?status=succeeded&collection=items&since={since}&until=9999-01-01T00:00:00Z&limit=2"
    found: list[str] = []
    while target:
        answer = pipeline.request("GET", target)
        found += [job["id"] for job in answer.json]
        link = answer.headers.get("link", "")
        assert link.startswith(("<jobs?status=succeeded&collection=items&since=", "")), link
        target = f"/{link[1 : link.index('>')]}" if link else ""
    assert found == [job["id"] for job in pipeline.request("GET", "/jobs").json]


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=",
        "since=2026-11-22",
        "since=2026-11-22T20:57:44",
        "since=2026-11-22 20:57:44Z",
        "since=2026-11-22T20:57:44+01:00",  # a space, as the gateway decodes it
        "since=2026-13-22T20:57:44Z",
        "since=0000-01-01T00:00:00Z",
        "since=2026-11-22T24:57:44Z",
        "since=2026-11-22T20:57:60Z",
        "since=0001-01-01T00:00:00%2B23:00",
        "until=9999-12-31T23:59:59-01:00",
        "until=9999-12-31T23:59:59.9999Z",
        "until=2026-11-22T20:57:44.1234567890Z",
        "since=%D9%A22026-11-22T20:57:44Z",
        "since=2026-11-22T20:57:44Z&until=2026-11-22T20:57:43Z",
        "status=ended",
        "status=",
        "status=FAILED",
        "collection=Orders",
        "collection=",
        "collection=a%00b",
        "collection=" + "a" * 33,
        "since=2026-11-22T20:57:44Z&since=2026-11-22T20:57:44Z",
        "cursor=x",
        "state=failed",
    ],
)
def test_a_malformed_or_reversed_filter_is_refused(pipeline: Pipeline, query: str) -> None:
    for status in ("", "status=failed&"):
        if not (status and "status" in query):
            answer = pipeline.request("GET", f"/jobs?{status}{query}")
            assert (answer.status, answer.json["type"]) == (400, "urn:jobpipe:problem:invalid-request")


def test_without_the_index_the_answer_names_the_parameter() -> None:
    pipeline = Pipeline(job_lists=False)
    failed = pipeline.do("DELETE", "/items/nope")
    for query in ("", "?status=succeeded", "?collection=items", "?limit=1"):
        answer = pipeline.request("GET", f"/jobs{query}")
        assert (answer.status, answer.json["type"]) == (409, "urn:jobpipe:problem:job-list-off")
        assert "JobLists=on" in answer.json["detail"]
    assert pipeline.request("GET", "/jobs?limit=0").status == 400, "a request that is wrong anyway says so first"
    assert [job["id"] for job in pipeline.request("GET", "/jobs?status=failed").json] == [failed["id"]]
    assert pipeline.request("GET", "/jobs?status=retrying").json == []


@pytest.mark.parametrize(("value", "on"), [("on", True), ("off", False), (None, False)])
def test_the_stage_says_whether_it_has_the_index(value: str | None, on: bool) -> None:
    names = (
        *("JOBS_TABLE", "ITEMS_TABLE", "NAMES_TABLE", "COLLECTIONS_TABLE", "LOOKUPS_TABLE", "DOCUMENTS_BUCKET"),
        *("COMMANDS_QUEUE_URL", "PARKED_QUEUE_URL"),
    )
    environment = dict.fromkeys(names, "x") | ({} if value is None else {"JOB_LISTS": value})
    assert Settings.from_env(environment).job_lists is on
