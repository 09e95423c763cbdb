"""The list of all jobs, and an operator's view of all callers' failures, on a deployed stage."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import tenacity

from api_lambda.chalicelib.http.callers import Role
from infra.deployment.readiness import wait_for_key
from jobpipe_client import Client, Forbidden, InvalidRequest, NotFound
from tests.helpers.deployed import Stage, unique

soon = tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)


def client_with(stage: Stage, owner: str, role: Role) -> Iterator[Client]:
    key = stage.api_keys.add(owner, role)
    assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
    yield Client(stage.deployment.base_url, key.value, request_timeout=30)
    stage.api_keys.revoke(key)


@pytest.fixture(scope="module")
def writer(stage: Stage) -> Iterator[Client]:
    yield from client_with(stage, f"wendy{secrets.token_hex(4)}", Role.WRITER)


@pytest.fixture(scope="module")
def operator(stage: Stage) -> Iterator[Client]:
    yield from client_with(stage, "otto", Role.OPERATOR)


@pytest.fixture(scope="module")
def reader(stage: Stage) -> Iterator[Client]:
    yield from client_with(stage, "rita", Role.READER)


def test_all_jobs_are_listed_newest_first_by_any_filter(writer: Client) -> None:
    begun = datetime.now(UTC)
    made = [writer.create({"name": unique("listed"), "description": "d"}) for _ in range(4)]
    batch = writer.submit_batch([{"operation": "read", "item_id": f"none-{n}"} for n in range(3)])
    ended = [writer.wait(job) for job in made]
    assert all(job.succeeded for job in ended)
    ids = {*(job.id for job in made), *(entry.job_id for entry in batch.entries if entry.job_id)}

    @soon
    def all_are_listed() -> None:
        listed = list(writer.jobs(since=begun, page_size=2))
        assert {job.id for job in listed} == ids
        assert [job.created_at for job in listed] == sorted((job.created_at for job in listed), reverse=True)
        assert all(job.result is None for job in listed)
        assert {job.id for job in writer.jobs("succeeded", since=begun)} == {job.id for job in made}
        assert {job.id for job in writer.jobs("failed", since=begun)} == ids - {job.id for job in made}

    all_are_listed()
    assert list(writer.jobs(until=begun)) == []
    assert list(writer.jobs(since=begun + timedelta(days=1))) == []
    assert list(writer.jobs(collection="unknown")) == []
    assert len(list(writer.jobs(collection="items", page_size=3))) == len(ids)
    with pytest.raises(InvalidRequest):
        next(writer.jobs(since="yesterday"))


def test_an_operator_finds_the_failures_of_all_callers_and_changes_none(writer: Client, operator: Client) -> None:
    failed = writer.wait(writer.read("none"))
    succeeded = writer.wait(writer.create({"name": unique("seen"), "description": "d"}))

    @soon
    def it_is_found() -> None:
        (found,) = [job for job in operator.jobs("failed", 3, owner="*") if job.id == failed.id]
        assert found.owner
        assert failed.id in {job.id for job in operator.jobs("failed", owner=found.owner)}

    it_is_found()
    assert operator.job(failed.id).error == failed.error
    with pytest.raises(NotFound):
        operator.job(succeeded.id)
    with pytest.raises(NotFound):
        operator.retry(failed.id)
    assert operator.stats().parked >= 0
    for call in (lambda: next(writer.jobs("failed", owner="*")), writer.stats):
        with pytest.raises(Forbidden, match="an operator's key"):
            call()


def test_a_reader_changes_nothing(reader: Client, stage: Stage) -> None:
    assert list(reader.jobs()) == []
    next(reader.iter_items(), None)
    for call in (
        lambda: reader.create({"name": unique("never"), "description": "d"}),
        lambda: reader.delete("none"),
        lambda: reader.submit_batch([{"operation": "read", "item_id": "none"}]),
    ):
        with pytest.raises(Forbidden, match="The role of this key, reader, does not allow this request"):
            call()
    assert list(reader.jobs()) == []
    refused = stage.request("POST", "/items", None, key=reader.transport.api_key)
    assert refused.status_code == 403


def test_failed_jobs_are_named_by_their_documents_in_every_list(writer: Client, operator: Client) -> None:
    begun = datetime.now(UTC)
    first, second = (writer.sync.create({"name": unique("label"), "description": "d"}) for _ in range(2))
    expected: dict[str, str | None] = {}

    def expect(job_id: str | None, label: str | None) -> None:
        assert job_id is not None
        expected[job_id] = label

    taken = {"operation": "create", "item": {"name": first["name"], "description": "again"}}
    outdated = {"operation": "delete", "item_id": second.id, "if_match": '"ff"'}
    commands: list[dict[str, Any]] = [taken, outdated, {"operation": "read", "item_id": "none"}, {**taken}]
    batch = writer.submit_batch(commands)
    labels = (first["name"], second["name"], None, first["name"])
    for entry, label in zip(batch.entries, labels, strict=True):
        expect(entry.job_id, label)
    expect(writer.wait(writer.submit(taken)).id, first["name"])
    expect(writer.wait(writer.update(second.id, {"name": first["name"]})).id, first["name"])
    expect(writer.wait(writer.merge(second.id, {"price": 1}, if_match='"ff"')).id, second["name"])
    assert all(writer.wait(writer.job(job_id)).status == "failed" for job_id in expected)
    assert {job_id: writer.job(job_id).label for job_id in expected} == expected
    ended = writer.batch(batch.id)
    assert [entry.label for entry in ended.entries] == list(labels)

    @soon
    def all_lists_name_them() -> None:
        for jobs in (writer.jobs("failed"), writer.jobs(since=begun)):
            listed = {job.id: job for job in jobs if job.id in expected}
            assert {job_id: job.label for job_id, job in listed.items()} == expected
            assert not any("label" in job.raw["error"] for job in listed.values())
        listed = {job.id: job for job in operator.jobs("failed", owner="*") if job.id in expected}
        assert {job_id: job.label for job_id, job in listed.items()} == dict.fromkeys(expected), "of another caller"
        assert not any("label" in job.raw["error"] for job in listed.values())

    all_lists_name_them()
