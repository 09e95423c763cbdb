"""The endpoints under /webhooks that test a webhook, list its deliveries and replay its events."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from jobpipe.domain.clock import now
from jobpipe.domain.events.cloud_event import stem_of
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep
from tests.helpers.pipeline import Pipeline
from tests.helpers.webhook_requests import EVENT, OPERATOR, WRITER, a_delivery, created, is_refused


def test_a_test_event_goes_to_this_webhook_and_waits_for_no_other(pipeline: Pipeline) -> None:
    made = created(pipeline)
    events = [pipeline.request("POST", f"/webhooks/{made['id']}/test") for _ in range(2)]
    assert [each.status for each in events] == [202, 202]
    ids = [each.json["event"] for each in events]
    stored = [pipeline.deliveries.rows["alice", made["id"], event_id] for event_id in ids]
    assert pipeline.delivery_queue.replays == [SendAgain("alice", made["id"], each) for each in ids]
    assert [each.line.document for each in stored] == ["", ""], "it is in no line"
    assert len(set(ids)) == 2
    event = json.loads(stored[0].body)
    assert event["id"] == ids[0]
    assert (event["type"], event["subject"]) == ("webhook.test", f"webhooks/{made['id']}")
    listed = pipeline.request("GET", f"/webhooks/{made['id']}/deliveries").json
    assert {each["event"] for each in listed} == set(ids)
    assert {(each["state"], each["type"], each["due"]) for each in listed} == {("pending", "webhook.test", None)}


def test_deliveries_are_listed_page_by_page_newest_first(pipeline: Pipeline) -> None:
    made = created(pipeline)
    for n in range(5):
        pipeline.deliveries.add(a_delivery(made, n))
    seen: list[str] = []
    target = f"/webhooks/{made['id']}/deliveries?limit=2"
    for size in (2, 2, 1):
        answer = pipeline.request("GET", target)
        assert len(answer.json) == size
        seen += [each["event"] for each in answer.json]
        link = answer.headers.get("link", "").partition(">")[0]
        target = link.replace("<../../", "/")
    assert seen == [a_delivery(made, n).event_id for n in (4, 3, 2, 1, 0)]
    assert not target, "the last page has no Link"
    assert pipeline.request("GET", f"/webhooks/{made['id']}/deliveries").json[0]["attempts"] == [
        {"at": "2026-11-22T20:57:45.000Z", "milliseconds": 38, "status": 204, "error": None, "replay": False}
    ]


def test_an_event_is_replayed_outside_of_its_line(pipeline: Pipeline) -> None:
    made = created(pipeline)
    event_id = a_delivery(made).event_id
    pipeline.deliveries.add(a_delivery(made))
    answer = pipeline.request("POST", f"/webhooks/{made['id']}/deliveries/{event_id}/replay")
    assert (answer.status, answer.json) == (202, {"event": event_id})
    assert pipeline.delivery_queue.replays == [SendAgain("alice", made["id"], event_id)]
    for other in (EVENT, "nope", "..", "%2F"):
        unknown = pipeline.request("POST", f"/webhooks/{made['id']}/deliveries/{other}/replay")
        assert is_refused(unknown, 404, "not-found")
    assert len(pipeline.delivery_queue.replays) == 1


@pytest.mark.parametrize(
    ("since", "in_utc"),
    [
        ("2026-11-22T20:57:44Z", "2026-11-22T20:57:44.000Z"),
        ("2026-11-22T21:57:44.1231+01:00", "2026-11-22T20:57:44.124Z"),
    ],
)
def test_events_since_a_time_are_replayed(pipeline: Pipeline, since: str, in_utc: str) -> None:
    made = created(pipeline)
    answer = pipeline.request("POST", f"/webhooks/{made['id']}/replay", {"since": since})
    assert (answer.status, answer.json) == (202, {"since": in_utc})
    (sweep,) = pipeline.delivery_queue.sweeps
    assert sweep == Sweep("alice", made["id"], in_utc, replay=True, at=sweep.at)
    age = now() - datetime.fromisoformat(sweep.at)
    assert timedelta() <= age < timedelta(minutes=1), "what comes later is not replayed"


def test_a_paused_webhook_can_be_tested_and_replayed(pipeline: Pipeline) -> None:
    """So its owner can see whether the receiver works again, before all that has waited is sent."""
    made = created(pipeline)
    pipeline.deliveries.add(a_delivery(made))
    target = f"/webhooks/{made['id']}"
    pipeline.request("PATCH", target, {"paused": True})
    event_id = a_delivery(made).event_id
    since = {"since": "2026-11-22T20:57:44Z"}
    for path, body in (("/test", None), (f"/deliveries/{event_id}/replay", None), ("/replay", since)):
        assert pipeline.request("POST", target + path, body).status == 202
    assert len(pipeline.delivery_queue.replays) == 2
    assert len(pipeline.delivery_queue.sweeps) == 1
    assert pipeline.request("GET", target).json["paused"] is True


def test_the_deliveries_of_a_job_are_those_of_its_last_end(pipeline: Pipeline) -> None:
    made, other = created(pipeline), created(pipeline)
    jobs = [pipeline.do("POST", "/items", {"name": f"Tent {n}", "description": "d"}) for n in range(2)]
    stems = [stem_of(pipeline.jobs.rows[job["id"]]) for job in jobs]
    kinds = ("ended", "emitted-1", "emitted-0", "changed")
    ids = [f"{stem}-{kind}" for stem in (*stems, f"20261122205744123-{jobs[0]['id']}-earlier") for kind in kinds]
    for event_id in ids:
        pipeline.deliveries.add(replace(a_delivery(made), event_id=event_id))
    target = f"/webhooks/{made['id']}/deliveries?job={jobs[0]['id']}"
    whole = pipeline.request("GET", target)
    assert [each["event"] for each in whole.json] == ids[:4]
    assert "link" not in whole.headers
    page = pipeline.request("GET", f"{target}&limit=3")
    assert [each["event"] for each in page.json] == ids[:3]
    following = page.headers["link"].partition(">")[0].replace("<../../", "/")
    rest = pipeline.request("GET", following)
    assert [each["event"] for each in rest.json] == ids[3:4]
    assert "link" not in rest.headers
    assert pipeline.request("GET", f"/webhooks/{other['id']}/deliveries?job={jobs[0]['id']}").json == []
    strange = pipeline.request("GET", following.replace(jobs[0]["id"], jobs[1]["id"]))
    assert is_refused(strange, 400, "invalid-request")


def test_a_job_that_has_not_ended_has_no_deliveries(pipeline: Pipeline) -> None:
    made = created(pipeline)
    job = pipeline.request("POST", "/items", {"name": "Tent", "description": "d"}).json
    stem = stem_of(pipeline.jobs.rows[job["id"]])
    pipeline.deliveries.add(replace(a_delivery(made), event_id=f"{stem}-ended"))
    assert pipeline.request("GET", f"/webhooks/{made['id']}/deliveries?job={job['id']}").json == []


def test_only_the_callers_own_jobs_have_deliveries(pipeline: Pipeline) -> None:
    made = created(pipeline)
    bobs = pipeline.request("POST", "/items", {"name": "Tent", "description": "d"}, owner="bob").json
    target = f"/webhooks/{made['id']}/deliveries?job="
    for key in (WRITER, OPERATOR):
        for job_id in (bobs["id"], "0" * 32):
            assert is_refused(pipeline.request("GET", f"{target}{job_id}", checked_key=key), 404, "not-found")
    for job_id in ("", "nope", bobs["id"].upper(), f"{bobs['id']}-"):
        assert is_refused(pipeline.request("GET", f"{target}{job_id}"), 400, "invalid-request")
