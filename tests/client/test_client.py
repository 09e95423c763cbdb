"""Client and SyncClient against the contract."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from jobpipe_client import (
    Client,
    Forbidden,
    InvalidRequest,
    InvalidResponse,
    JobCancelled,
    JobFailed,
    JobNotFailed,
    NameTaken,
    NotFound,
    ProblemError,
    VersionMismatch,
    WaitTimeout,
)
from jobpipe_client.models import Job
from tests.client.service import KEY, Canned, Service
from tests.client.service_state import problem

TENT = {"name": "Fjällro tent", "description": "For two", "price": 12.95, "stock": {"Łódź": 3, "Lyon": 1}}


def test_a_write_returns_its_job_and_the_job_ends_with_the_item(client: Client, service: Service) -> None:
    job = client.create(TENT)
    assert (job.operation, job.attempts, job.created_at.tzinfo is not None) == ("create", 0, True)
    ended = client.wait(job)
    assert ended.succeeded
    assert ended.item == {"id": job.item_id, **TENT}
    assert ended.item is not None
    assert ended.item.etag == ended.etag is not None
    assert ended.item.id == job.item_id


def test_each_write_sends_the_request_of_its_route(client: Client, service: Service) -> None:
    made = client.create(TENT)
    client.update(made.item_id, {"price": 13}, if_match='"v"', idempotency_key="k-1")
    client.merge(made.item_id, {"stock": {"Lyon": None}})
    client.read(made.item_id)
    client.delete("a b/ü")
    client.submit({"operation": "delete", "item_id": "x"})
    sent = [(s.method, s.path, s.body) for s in service.seen]
    assert sent == [
        ("POST", "/items", TENT),
        ("PUT", f"/items/{made.item_id}", {"price": 13}),
        ("PATCH", f"/items/{made.item_id}", {"stock": {"Lyon": None}}),
        ("POST", "/jobs", {"operation": "read", "item_id": made.item_id}),
        ("DELETE", "/items/a%20b%2F%C3%BC", None),
        ("POST", "/jobs", {"operation": "delete", "item_id": "x"}),
    ]
    put, patch = service.seen[1].headers, service.seen[2].headers
    assert (put["idempotency-key"], put["if-match"]) == ("k-1", '"v"')
    assert patch["content-type"] == "application/merge-patch+json"
    assert len({s.headers["idempotency-key"] for s in service.seen}) == len(service.seen)


def test_a_failed_job_has_the_label_that_the_service_gives_it(client: Client, service: Service) -> None:
    failed = client.wait(client.read("none"))
    assert failed.label is None, "an earlier release gives none"
    service.jobs[failed.id]["label"] = "Tent"
    assert client.job(failed.id).label == "Tent"
    assert [job.label for job in client.jobs("failed")] == ["Tent"]


def test_a_failed_job_is_dismissed(client: Client) -> None:
    failed = client.wait(client.read("none"))
    dismissed = client.dismiss(failed.id)
    assert dismissed.dismissed_at is not None
    assert dismissed.dismissed_at.tzinfo is not None
    assert (failed.dismissed_at, dismissed.status) == (None, "failed")
    assert [job.id for job in client.jobs("failed")] == []
    with pytest.raises(JobNotFailed, match="409 job-not-failed"):
        client.dismiss(client.create(TENT).id)


def test_a_failed_job_has_its_problem(client: Client) -> None:
    client.wait(client.create(TENT))
    ended = client.wait(client.create(TENT))
    assert ended.done
    assert ended.item is None
    with pytest.raises(JobFailed, match="409 name-taken") as caught:
        ended.raise_for_failure()
    assert caught.value.job == ended
    assert caught.value.problem.slug == "name-taken"


def test_a_cancelled_job_is_not_a_failed_one(client: Client) -> None:
    raw = {**client.create(TENT).raw, "status": "cancelled", "done": True}
    with pytest.raises(JobCancelled):
        Job.of(raw).raise_for_failure()


def test_commands_of_one_item_need_no_waiting_in_between(client: Client) -> None:
    job = client.create(TENT)
    client.update(job.item_id, {"price": 9.5})
    client.merge(job.item_id, {"stock": {"Lyon": None}})
    read = client.wait(client.read(job.item_id))
    assert read.result == {"id": job.item_id, **TENT, "price": 9.5, "stock": {"Łódź": 3}}


def test_an_unknown_job_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound):
        client.job("nope")


def test_items_are_listed_over_all_pages(client: Client, service: Service) -> None:
    for n in range(5):
        client.wait(client.create({**TENT, "name": f"Tent {n}"}))
    assert sorted(item["name"] for item in client.iter_items()) == [f"Tent {n}" for n in range(5)]
    assert len(list(client.iter_items(page_size=4))) == 5


def test_a_link_to_another_host_is_not_followed(client: Client, service: Service) -> None:
    service.canned.append(Canned(200, {"Link": '<http://127.0.0.1:1/items>; rel="next"'}, []))
    with pytest.raises(InvalidResponse, match="another host"):
        list(client.iter_items())


def test_the_etag_of_an_item_is_accepted_by_if_match(client: Client) -> None:
    job = client.wait(client.create(TENT))
    item = client.get_item(job.item_id)
    assert item.etag == job.etag
    assert client.wait(client.update(item.id, {"price": 1}, if_match=item.etag)).succeeded
    stale = client.wait(client.delete(item.id, if_match=item.etag))
    assert stale.error is not None
    assert stale.error.slug == "version-mismatch"


def test_stats(client: Client, service: Service) -> None:
    service.paused = True
    client.create({"name": "Tent", "description": "d"})
    stats = client.stats()
    assert (stats.waiting, stats.in_flight, stats.delayed) == (1, 0, 0)
    assert (stats.oldest_seconds, stats.dead_letters, stats.parked) == (None, 0, 0)
    assert (stats.paused_at, stats.scheduled) == (None, 0)
    service.paused_at = "2026-11-29T23:10:43.120Z"
    service.scheduled = 12
    assert client.stats().scheduled == 12
    assert client.stats().paused_at == datetime(2026, 11, 29, 23, 10, 43, 120_000, tzinfo=UTC)
    earlier = {name: value for name, value in stats.raw.items() if name not in {"paused_at", "scheduled"}}
    service.canned.append(Canned(200, {}, earlier))
    older = client.stats()
    assert (older.paused_at, older.scheduled) == (None, None), "an older service does not say"
    service.canned.append(Canned(200, {}, {"queue": []}))
    with pytest.raises(InvalidResponse):
        client.stats()


def test_health(client: Client) -> None:
    assert client.health() == {"status": "ok", "version": "1"}


def test_the_synchronous_client_returns_items_and_raises_problems(client: Client, service: Service) -> None:
    item = client.sync.create(TENT)
    assert service.seen[-1].headers["prefer"] == "wait=5"
    assert (item["price"], item.etag is not None) == (12.95, True)
    with pytest.raises(NameTaken):
        client.sync.create(TENT)
    assert client.sync.update(item.id, {"price": 2})["price"] == 2
    assert "Lyon" not in client.sync.merge(item.id, {"stock": {"Lyon": None}})["stock"]
    with pytest.raises(VersionMismatch):
        client.sync.delete(item.id, if_match=item.etag)
    assert client.sync.read(item.id)["price"] == 2
    client.sync.delete(item.id)
    with pytest.raises(NotFound):
        client.sync.delete(item.id)


def test_the_synchronous_client_waits_for_a_job_that_takes_longer(client: Client, service: Service) -> None:
    service.pause()
    threading.Timer(0.2, service.resume).start()
    assert client.sync.create(TENT, timeout=0.9)["name"] == TENT["name"]
    assert "prefer" not in service.seen[0].headers
    with pytest.raises(NameTaken) as caught:  # the same error as in an immediate answer
        client.sync.create(TENT, timeout=0.9)
    assert isinstance(caught.value.__cause__, JobFailed)
    service.pause()
    with pytest.raises(WaitTimeout):
        client.sync.create({**TENT, "name": "Late"}, timeout=0.1)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, problem(400), InvalidRequest),
        (403, {"message": "Forbidden"}, Forbidden),
        (404, "<html>", NotFound),
        (409, {"message": "Conflict"}, ProblemError),
        (418, {"type": "about:blank"}, ProblemError),
        (409, problem(409, "already-ended"), ProblemError),
    ],
)
def test_each_refusal_raises_its_class(
    client: Client, service: Service, status: int, body: Any, kind: type[ProblemError]
) -> None:
    service.canned.append(Canned(status, {}, body))
    with pytest.raises(ProblemError) as caught:
        client.create(TENT)
    assert type(caught.value) is kind
    assert caught.value.status == status


def test_the_errors_of_fields_are_in_the_message(client: Client, service: Service) -> None:
    body = {**problem(400), "errors": [{"pointer": "/price", "detail": "too precise"}]}
    service.canned.append(Canned(400, {}, body))
    with pytest.raises(InvalidRequest, match="400 invalid-request: /price: too precise"):
        client.create(TENT)


@pytest.mark.parametrize("body", ["not json", [], {"id": "x"}, {"id": "x", "created_at": 5}])
def test_an_answer_that_is_not_a_job_raises_bad_answer(client: Client, service: Service, body: Any) -> None:
    service.canned.append(Canned(202, {}, body))
    with pytest.raises(InvalidResponse):
        client.create(TENT)


def test_threads_share_a_client(client: Client, service: Service) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda n: client.wait(client.create({**TENT, "name": f"T{n}"})), range(40)))
    assert all(job.succeeded for job in jobs)
    assert len(service.items) == 40


def test_the_key_is_not_shown(client: Client, service: Service) -> None:
    assert service.seen == []
    assert KEY not in repr(client)
