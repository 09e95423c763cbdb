"""The contract of batches, for the stores and queues in memory and on emulated AWS."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.errors import JobEnded
from jobpipe.domain.jobs.batch import Batch, RequestedBatch, commands_of, jobs_of, new_batch, parse_batch
from jobpipe.domain.jobs.job import Job, Status, Success
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.domain.ports import BatchQueue
from jobpipe.stores.queues.sqs_commands import SqsCommands
from scripts.audit.search import audit
from tests.contract.audited import Audited
from tests.contract.stores import NOW, Stores, job, ref
from tests.helpers.memory import RETENTION
from tests.helpers.memory.queues import MemoryQueue


def requested(size: int, *, invalid: int = 0) -> RequestedBatch:
    valid = [{"operation": "create", "item": {"name": f"n {n}", "description": "d"}} for n in range(size)]
    return parse_batch({"commands": [*[{"operation": "é" * 3}] * invalid, *valid]}, lambda _: None)


def new(size: int, key: str | None = None, *, invalid: int = 0) -> tuple[Batch, list[Job]]:
    """Return a batch that is not stored yet, and its jobs."""
    request = requested(size, invalid=invalid)
    batch = new_batch(request, "alice", key, NOW, RETENTION)
    return batch, jobs_of(batch, commands_of(batch, request), request, NOW, RETENTION)


def stored(stores: Stores, size: int, key: str | None = None, *, invalid: int = 0) -> tuple[Batch, list[Job]]:
    batch, jobs = new(size, key, invalid=invalid)
    assert stores.batches.put_new(batch, jobs, NOW) is None
    return batch, jobs


@pytest.mark.parametrize(("size", "invalid"), [(1, 0), (3, 2), (99, 1)])
def test_a_batch_and_its_jobs_are_read_as_they_were_put(stores: Stores, size: int, invalid: int) -> None:
    batch, jobs = stored(stores, size, invalid=invalid)
    assert stores.batches.get(batch.batch_id) == batch
    assert batch.stored == size
    assert [batch.job_id(place) for place in batch.accepted_positions] == [each.job_id for each in jobs]
    assert stores.batches.jobs([each.job_id for each in jobs]) == {each.job_id: each for each in jobs}
    assert [stores.jobs.get(each.job_id) for each in jobs] == jobs


def test_the_name_of_a_batch_is_kept(stores: Stores) -> None:
    batch, jobs = new(2)
    batch = replace(batch, name="Zelte “groß”.csv")
    assert stores.batches.put_new(batch, jobs, NOW) is None
    assert stores.batches.get(batch.batch_id) == batch


def test_an_unknown_batch_is_none_and_unknown_jobs_are_omitted(stores: Stores) -> None:
    _, (first, second) = stored(stores, 2)
    assert stores.batches.get(f"batch-{'0' * 32}") is None
    assert set(stores.batches.jobs([first.job_id, "0" * 32, second.job_id])) == {first.job_id, second.job_id}
    assert stores.batches.jobs(["0" * 32]) == {}


def test_the_last_of_a_hundred_jobs_is_stored_by_a_second_call(stores: Stores) -> None:
    batch, jobs = stored(stores, 100)
    assert batch.stored == 99
    assert len(stores.batches.jobs([each.job_id for each in jobs])) == 99
    assert stores.batches.put_rest(batch, jobs)
    assert stores.batches.get(batch.batch_id) == replace(batch, stored=100)
    assert stores.batches.jobs([each.job_id for each in jobs]) == {each.job_id: each for each in jobs}


def test_the_last_job_is_stored_once(stores: Stores) -> None:
    batch, jobs = stored(stores, 100)
    assert stores.batches.put_rest(batch, jobs)
    others = [*jobs[:-1], replace(jobs[-1], generation="0" * 16)]
    assert not stores.batches.put_rest(batch, others)
    assert stores.jobs.get(jobs[-1].job_id) == jobs[-1]


@pytest.mark.parametrize("size", [2, 100])
def test_a_second_put_of_a_live_batch_returns_the_first_and_stores_nothing(stores: Stores, size: int) -> None:
    key = secrets.token_hex(8)
    first, _ = stored(stores, size, key)
    second, jobs = new(size, key)
    assert second.batch_id == first.batch_id
    assert stores.batches.put_new(second, jobs, NOW) == first
    assert stores.batches.jobs([each.job_id for each in jobs]) == {}
    assert stores.batches.get(first.batch_id) == first
    assert not stores.batches.put_rest(replace(second, stored=1), jobs)
    assert stores.batches.jobs([each.job_id for each in jobs]) == {}


def test_a_late_or_repeated_put_does_not_change_a_job_that_has_ended(stores: Stores) -> None:
    """P2: an earlier request may arrive last."""
    batch, jobs = stored(stores, 100)
    assert stores.batches.put_rest(batch, jobs)
    for each in (jobs[0], jobs[-1]):
        stores.jobs.succeed(ref(each), Success(), NOW)
    assert stores.batches.put_new(batch, jobs, NOW) == replace(batch, stored=100)
    assert not stores.batches.put_rest(batch, jobs)
    for each in (jobs[0], jobs[-1]):
        with pytest.raises(JobEnded):
            stores.jobs.fail(ref(each), {"status": 409}, NOW)


def test_an_expired_batch_is_replaced(stores: Stores) -> None:
    key = secrets.token_hex(8)
    first, _ = stored(stores, 1, key)
    later = NOW + timedelta(days=28) + RETENTION
    second, jobs = new(2, key)
    assert stores.batches.put_new(second, jobs, later - timedelta(seconds=2)) == first
    assert stores.batches.put_new(second, jobs, later) is None
    assert stores.batches.get(first.batch_id) == second


def test_jobs_are_read_without_their_results(stores: Stores) -> None:
    _, (ended, failed) = stored(stores, 2)
    stores.jobs.succeed(
        ref(ended), Success(result='{"name":"n"}', result_version="v", old_document_key="items/old"), NOW
    )
    stores.jobs.fail(ref(failed), {"status": 409, "title": "é"}, NOW)
    found = stores.batches.jobs([ended.job_id, failed.job_id])
    assert (found[ended.job_id].status, found[ended.job_id].result) == (Status.SUCCEEDED, None)
    assert found[failed.job_id].error == {"status": 409, "title": "é"}


def test_jobs_are_read_with_their_time_limits(stores: Stores) -> None:
    batch, (first, second) = new(2)
    limited = replace(first, not_after="2026-12-01T12:00:00.000Z")
    assert stores.batches.put_new(batch, [limited, second], NOW) is None
    assert stores.batches.jobs([first.job_id, second.job_id]) == {first.job_id: limited, second.job_id: second}


def test_a_batch_is_in_no_list_of_failed_or_retrying_jobs(stores: Stores) -> None:
    batch, _ = new(1)
    mine = replace(batch, owner=f"owner{secrets.token_hex(4)}")
    assert stores.batches.put_new(mine, [], NOW) is None
    for status in (Status.FAILED, Status.RETRYING):
        assert stores.jobs.list_jobs(mine.owner, status, 10, None, NOW).jobs == []


def test_a_batch_and_a_job_may_have_the_same_key(stores: Stores) -> None:
    key = secrets.token_hex(8)
    batch, _ = stored(stores, 1, key)
    one = job(stores, key)
    assert stores.batches.get(batch.batch_id) == batch
    assert stores.jobs.get(one.job_id) == one


def test_an_audit_does_not_treat_a_batch_as_a_job(store: Audited) -> None:
    from jobpipe.stores.jobs.dynamodb_batches import DynamoDbBatches  # noqa: PLC0415

    resources = store.resources  # without the data of other tests
    batch, jobs = new(1)
    DynamoDbBatches(resources.clients, resources.jobs_table).put_new(batch, jobs, NOW)
    resources.jobs.succeed(jobs[0].ref, Success(), NOW)
    assert audit(resources, now=NOW) == []


# --- the queue ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "aws"])
def queue(request: pytest.FixtureRequest) -> Iterator[tuple[BatchQueue, Any]]:
    """Return a queue, and a function that receives the group and body of each of its messages."""
    if request.param == "memory":
        memory = MemoryQueue()

        def waiting() -> list[tuple[str, str]]:
            return [(each.group_id, each.body) for _, each, _ in memory.waiting]

        yield memory, waiting
        return
    clients, names = request.getfixturevalue("aws")
    url = names["CommandsQueueUrl"]

    def receive() -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        wanted: Any = {"MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"]}
        while messages := clients.sqs.receive_message(QueueUrl=url, **wanted).get("Messages"):
            found += [(each["Attributes"]["MessageGroupId"], each["Body"]) for each in messages]
            for each in messages:
                clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return found

    yield SqsCommands(clients, url), receive


def envelope(body: str, group: str | None = None) -> Envelope:
    return Envelope(body, group or uuid.uuid4().hex, uuid.uuid4().hex)


@pytest.mark.parametrize("size", [1, 10])
def test_messages_are_sent_in_one_call(queue: tuple[BatchQueue, Any], size: int) -> None:
    sender, received = queue
    sent = [envelope(f"é\uffff {n}".replace("\uffff", "")) for n in range(size)]
    assert sender.send_batch(sent) == {}
    assert sorted(received()) == sorted((each.group_id, each.body) for each in sent)


def test_a_duplicate_is_dropped_and_counts_as_sent(queue: tuple[BatchQueue, Any]) -> None:
    sender, received = queue
    one, other = envelope("1"), envelope("2")
    sender.send(one)
    assert sender.send_batch([one, other]) == {}
    assert sorted(body for _, body in received()) == ["1", "2"]


def test_consecutive_calls_keep_the_order_of_a_group(queue: tuple[BatchQueue, Any]) -> None:
    sender, received = queue
    group = uuid.uuid4().hex
    for n in range(3):
        assert sender.send_batch([envelope(f"{n}", group), envelope("other")]) == {}
    assert [body for which, body in received() if which == group] == ["0", "1", "2"]
