"""as_completed and outcomes yield each job once, as it ends, with few requests."""

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import tenacity

from jobpipe_client import BatchEntry, Client, Job, NotFound, Submission, Unavailable, WaitTimeout, waiting
from tests.client.service import Canned, Service
from tests.client.service_state import problem

Command = dict[str, Any]
numbers = itertools.count()


def create(**more: Any) -> Command:
    return {"operation": "create", "item": {"name": f"Tent {next(numbers)}", "description": "For two", **more}}


@tenacity.retry(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.005), reraise=True)
def eventually(condition: Any) -> None:
    assert condition()


def gets(service: Service, kind: str) -> list[str]:
    return [seen.path for seen in service.seen if seen.method == "GET" and seen.path.startswith(f"/{kind}/")]


def test_every_submission_gets_its_outcome(client: Client, service: Service) -> None:
    """Whether it succeeds, fails, or is refused."""
    taken = create()
    commands = [taken, *(create() for _ in range(20)), {"operation": "fly"}, {"operation": "read", "item_id": "no"}]
    submissions = list(client.submit_many(commands, batch_size=8))
    ended = {submission.place: entry for submission, entry in client.outcomes(submissions)}
    assert sorted(ended) == list(range(23))
    assert all(entry.done for entry in ended.values())
    assert [ended[place].status for place in (0, 20, 21, 22)] == ["succeeded", "succeeded", None, "failed"]
    assert ended[21].problem == submissions[21].problem
    assert ended[22].problem is not None
    assert ended[22].problem.status == 404
    assert gets(service, "jobs") == []


def test_a_batch_costs_one_request_for_all_of_its_jobs(client: Client, service: Service) -> None:
    submissions = list(client.submit_many([create() for _ in range(200)]))
    eventually(lambda: all(job["done"] for job in service.jobs.values()))
    assert len(list(client.outcomes(submissions))) == 200
    assert len(gets(service, "batches")) == 2


def test_outcomes_come_while_others_are_still_submitted(client: Client, service: Service) -> None:
    """An import of any size is not held in memory until its last command is sent."""
    read: list[int] = []

    def commands() -> Iterator[Command]:
        for n in range(5000):
            read.append(n)
            yield create()

    first, _ = next(client.outcomes(client.submit_many(commands(), batch_size=10)))
    assert first.place < len(read) < 5000


def test_the_number_of_watched_jobs_is_limited(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MAX_WATCHED", 25)
    read: list[Submission] = []

    def submissions() -> Iterator[Submission]:
        for each in client.submit_many((create() for _ in range(100)), batch_size=10):
            read.append(each)
            yield each

    service.pause()
    threading.Timer(0.3, service.resume).start()
    ended = 0
    for _ in client.outcomes(submissions()):
        assert len(read) - ended <= 25
        ended += 1
    assert ended == 100


def test_refused_submissions_need_no_request(client: Client, service: Service) -> None:
    submissions = list(client.submit_many([{"operation": "fly"}] * 3))
    before = len(service.seen)
    assert [entry.problem for _, entry in client.outcomes(submissions)] == [each.problem for each in submissions]
    assert list(client.as_completed(submissions)) == []
    assert len(service.seen) == before


def test_expired_jobs_have_ended(client: Client, service: Service) -> None:
    submissions = list(client.submit_many([create() for _ in range(4)]))
    eventually(lambda: all(job["done"] for job in service.jobs.values()))
    del service.jobs[str(submissions[2].job_id)]
    ended = {submission.place: entry for submission, entry in client.outcomes(submissions, timeout=10)}
    assert [ended[place].status for place in range(4)] == ["succeeded", "succeeded", None, "succeeded"]
    gone = ended[2].problem
    assert gone is not None
    assert (gone.status, gone.detail) == (404, "The job has expired.")


def test_an_expired_batch_has_ended_too(client: Client) -> None:
    submissions = Submission(0, {}, "job", "item", None, "batch-gone")
    ((submission, entry),) = client.outcomes([submissions])
    assert submission is submissions
    assert entry.problem is not None
    assert (entry.done, entry.status, entry.problem.status) == (True, None, 404)


def test_outcomes_need_the_batch_of_a_submission(client: Client) -> None:
    with pytest.raises(ValueError, match="id of its batch"):
        list(client.outcomes([Submission(0, {}, "job", "item", None, None)]))


def test_polls_come_when_the_service_asks_for_them(client: Client, service: Service) -> None:
    service.pause()
    submissions = list(client.submit_many([create() for _ in range(10)]))
    service.canned += [Canned(200, {"Retry-After": "0.5"}, client.batch(str(submissions[0].batch_id)).raw)]
    threading.Timer(0.2, service.resume).start()
    before = len(gets(service, "batches"))
    started = time.monotonic()
    assert len(list(client.outcomes(submissions))) == 10
    assert 0.5 < time.monotonic() - started < 2
    assert len(gets(service, "batches")) - before == 2


def test_jobs_given_in_several_forms_come_once_each(client: Client, service: Service) -> None:
    job = client.create(create()["item"])
    ended = client.wait(client.create(create()["item"]))
    submissions = list(client.submit_many([*(create() for _ in range(5)), {"operation": "fly"}]))
    alone = Submission(0, {}, client.create(create()["item"]).id, "item", None, None)
    given: list[Job | Submission | str] = [job, job.id, *submissions, str(submissions[0].job_id), ended, alone]
    completed = list(client.as_completed(given))
    assert len(completed) == 8
    assert {each.id for each in completed} == {job.id, ended.id, alone.job_id, *(s.job_id for s in submissions[:5])}
    assert all(each.succeeded and each.item for each in completed)


def test_the_job_that_ends_first_comes_first(client: Client, service: Service) -> None:
    service.pause()
    slow = client.create(create()["item"])
    held = dict(service.pending)
    service.pending.clear()
    quick = [client.create(create()["item"]) for _ in range(3)]
    service.resume()
    completed = client.as_completed([slow, *quick])
    assert {next(completed).id for _ in range(3)} == {job.id for job in quick}
    with service.changed:
        service.pending.update(held)
        service.changed.notify_all()
    assert next(completed).id == slow.id
    assert list(completed) == []


def test_a_job_that_has_ended_costs_no_request(client: Client, service: Service) -> None:
    ended = client.wait(client.create(create()["item"]))
    before = len(service.seen)
    assert list(client.as_completed([ended])) == [ended]
    assert len(service.seen) == before


def test_a_job_that_was_retried_meanwhile_is_waited_for_again(client: Client, service: Service) -> None:
    (submissions,) = client.submit_many([create()])
    eventually(lambda: service.jobs[str(submissions.job_id)]["done"])
    ended = dict(service.jobs[str(submissions.job_id)])
    queued = {**ended, "status": "queued", "done": False, "result": None}
    service.canned += [Canned(200, {}, client.batch(str(submissions.batch_id)).raw), Canned(200, {}, queued)]
    (job,) = client.as_completed([submissions])
    assert job.succeeded
    assert len(gets(service, "jobs")) == 2


def test_an_unknown_job_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound):
        list(client.as_completed(["nope"]))


def test_an_outage_is_raised_after_the_retries(service: Service, client: Client) -> None:
    job = client.create(create()["item"])
    service.canned += [Canned(503, {}, problem(503, "unavailable"))]
    with Client(service.url, "the-key", retries=0) as impatient, pytest.raises(Unavailable):
        list(impatient.as_completed([job]))


def _id(ended: Job | tuple[Submission, BatchEntry]) -> str | None:
    return ended.id if isinstance(ended, Job) else ended[1].job_id


@pytest.mark.parametrize("form", ["submissions", "jobs", "ids"])
def test_a_job_that_does_not_end_in_time_raises_wait_timeout(client: Client, service: Service, form: str) -> None:
    """But jobs that have ended at the last poll are still yielded."""
    quick = list(client.submit_many([create() for _ in range(3)]))
    eventually(lambda: all(job["done"] for job in service.jobs.values()))
    service.pause()
    slow = list(client.submit_many([create() for _ in range(3)], batch_size=2))
    forms: dict[str, Any] = {
        "submissions": [*slow, *quick],
        "jobs": [client.job(str(each.job_id)) for each in (*slow, *quick)],
        "ids": [str(each.job_id) for each in (*slow, *quick)],
    }
    ways: list[Iterator[Any]] = [
        client.as_completed(forms[form], timeout=0.3),
        client.outcomes([*slow, *quick], timeout=0.3),
    ]
    for completed in ways:
        started = time.monotonic()
        ended = {_id(next(completed)) for _ in quick}
        assert ended == {each.job_id for each in quick}
        with pytest.raises(WaitTimeout, match="still queued") as caught:
            next(completed)
        assert 0.25 < time.monotonic() - started < 1.5
        assert caught.value.job.id in {each.job_id for each in slow}
    with pytest.raises(WaitTimeout):
        list(client.as_completed(forms[form], timeout=0))
    service.resume()
    assert len(list(client.as_completed(forms[form], timeout=5))) == 6


def test_a_job_that_ends_at_the_last_moment_is_no_timeout(client: Client, service: Service) -> None:
    service.pause()
    submissions = list(client.submit_many([create(), create()]))
    batch = client.batch(str(submissions[0].batch_id)).raw
    service.canned.append(Canned(200, {}, batch))  # the last poll, a moment before they end
    service.resume()
    eventually(lambda: all(job["done"] for job in service.jobs.values()))
    ended = list(client.outcomes(submissions, timeout=0.0))
    assert [entry.status for _, entry in ended] == ["succeeded"] * 2


def test_a_service_that_hangs_at_the_deadline_raises_wait_timeout(service: Service, client: Client) -> None:
    service.pause()
    job = client.create(create()["item"])
    service.silent_for = 3.0
    started = time.monotonic()
    with pytest.raises(WaitTimeout):
        list(client.as_completed([job], timeout=0.2))
    assert time.monotonic() - started < 2.5
