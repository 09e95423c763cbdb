"""Call every operation with the client that openapi-generator makes for Python.

The environment has URL, KEY, NAME, FAILED and CANCELLED.
"""

from __future__ import annotations

import os
from typing import Any

import made_by_openapi_generator as made
from made_by_openapi_generator.exceptions import BadRequestException, ForbiddenException, NotFoundException

NAME = os.environ["NAME"]
MORE = {"price": 12.95, "size": {"width": 140}, "tags": ["a", None], "gone": True}
ANYONE = made.ApiClient(made.Configuration(host=os.environ["URL"]))
CALLER = made.ApiClient(made.Configuration(host=os.environ["URL"], api_key={"apiKey": os.environ["KEY"]}))
ITEMS, JOBS, BATCHES = made.ItemsApi(CALLER), made.JobsApi(CALLER), made.BatchesApi(CALLER)


def main() -> None:
    public_operations()
    items()
    commands()
    batches()
    dismiss_retry_and_cancel()
    webhooks()
    refusals()


def public_operations() -> None:
    service = made.ServiceApi(ANYONE)
    root = service.index()
    assert root.name == "jobpipe", root
    assert root.links["items"] == "/items", root.links
    assert service.health().status == "ok"
    assert service.openapi()["openapi"].startswith("3.1")
    for page in (service.docs, service.console):
        assert "<html" in page()
    assert made.ServiceApi(CALLER).get_stats().dead_letters == 0


def items() -> None:
    new = made.NewItem.from_dict({"name": NAME, "description": "For two", **MORE})
    accepted = ITEMS.create_item(new, idempotency_key=NAME)
    assert isinstance(accepted, made.Job), accepted
    replay = ITEMS.create_item(new, idempotency_key=NAME)
    assert replay.id == accepted.id
    job = ended(accepted)
    assert isinstance(job.result.actual_instance, made.Item)
    item_id, etag = job.item_id, job.etag
    assert ITEMS.get_item(item_id).to_dict() == {"id": item_id, **new.to_dict()}
    assert item_id in [each.id for each in ITEMS.list_items(limit=100)]

    fields = made.FieldsToSet.from_dict({"description": "For three"})
    changed = ITEMS.put_item(item_id, fields, if_match=etag, prefer="wait=20")
    assert result(changed)["description"] == "For three"

    patch = made.MergePatch.from_dict({"gone": None, "size": {"height": 90}})
    patched = result(ITEMS.patch_item(item_id, patch, prefer="wait=20"))
    assert patched["size"] == {"width": 140, "height": 90}, patched
    assert "gone" not in patched
    assert result(ITEMS.delete_item(item_id, prefer="wait=20")) == {"message": "Item deleted"}


def commands() -> None:
    def done(command: Any) -> dict[str, Any]:
        return result(JOBS.submit_job(made.Command(command), prefer="wait=20"))

    new = made.NewItem(name=f"{NAME}, a command", description="x")
    item_id = done(made.CreateCommand(operation="create", item=new))["id"]
    fields = made.FieldsToSet(name=f"{NAME}, set")
    assert done(made.SetCommand(operation="update", item_id=item_id, set=fields))["name"] == fields.name
    patch = made.MergePatch(description="merged")
    assert done(made.MergeCommand(operation="update", item_id=item_id, merge=patch))["description"] == "merged"
    assert done(made.ReadCommand(operation="read", item_id=item_id))["name"] == fields.name
    assert done(made.DeleteCommand(operation="delete", item_id=item_id)) == {"message": "Item deleted"}


def batches() -> None:
    new = {"name": f"{NAME}, a batch", "description": "x"}
    missing = {"item_id": "no-such-item"}
    raw: list[dict[str, Any]] = [
        {"operation": "create", "item": new},
        {"operation": "read", **missing},
        {"operation": "update", "set": {"description": "x"}, **missing},
        {"operation": "update", "merge": {}, **missing},
        {"operation": "delete", "if_match": '"0"', **missing},
    ]
    accepted = BATCHES.submit_batch(batch_of(raw))
    assert isinstance(accepted, made.Batch), accepted
    for _ in range(600):
        batch = BATCHES.get_batch(accepted.id)
        if batch.done:
            break
        jobs = [entry.actual_instance.job for entry in batch.entries]
        ended(next(job for job in jobs if not job.done))
    assert (batch.counts.succeeded, batch.counts.failed) == (1, 4), batch
    retried = BATCHES.retry_batch(accepted.id)
    assert retried.counts.succeeded == 1, retried
    left = BATCHES.cancel_batch(accepted.id).entries[0].actual_instance
    assert (left.job.status, left.unchanged.type) == ("succeeded", "urn:jobpipe:problem:job-ended"), left

    new["name"] += "\U000e0041"  # it is invisible, but the schema covers only the basic plane
    *_, refused = BATCHES.submit_batch(batch_of(raw[1::-1])).entries
    assert refused.actual_instance.problem.status == 400, refused


def batch_of(commands: list[dict[str, Any]]) -> Any:
    return made.NewBatch(commands=[made.Command.from_dict(each) for each in commands])


def dismiss_retry_and_cancel() -> None:
    failed = os.environ["FAILED"]
    assert failed in [job.id for job in JOBS.list_jobs("failed", limit=100)]
    assert JOBS.dismiss_job(failed).dismissed_at is not None
    retried = JOBS.retry_job(failed)  # it fails again, and is listed again
    assert isinstance(retried, made.Job), retried
    assert ended(retried).status == "failed"
    assert retried.retries >= 1
    cancelled = JOBS.cancel_job(os.environ["CANCELLED"])
    assert cancelled.status == "cancelled", cancelled


def webhooks() -> None:
    api, url = made.WebhooksApi(CALLER), f"https://receiver.example/{NAME}"
    new = made.NewWebhook(url=url, events=["job.ended"], collections=["items"])
    created = api.create_webhook(new, idempotency_key=NAME)
    assert created.secret.startswith("whsec_"), created
    assert api.create_webhook(new, idempotency_key=NAME).secret == created.secret
    assert created.id in [each.id for each in api.list_webhooks()]
    paused = api.change_webhook(created.id, made.WebhookChanges(paused=True))
    assert (paused.paused, paused.url, paused.failing_since) == (True, url, None), paused
    assert api.get_webhook(created.id).collections == ["items"]
    event = api.test_webhook(created.id).event
    assert event in [each.event for each in api.list_deliveries(created.id, limit=10)]
    assert api.replay_delivery(created.id, event).event == event
    since = created.created_at
    assert api.replay_deliveries(created.id, made.Replay(since=since)).since == since
    rotated = api.rotate_secret(created.id)
    assert rotated.secret != created.secret
    assert rotated.old_secret_until > created.created_at
    assert api.delete_webhook(created.id).message == "Webhook deleted"


def refusals() -> None:
    with_id = made.NewItem(name="x", description="x", additional_properties={"id": "mine"})
    refused = refusal(BadRequestException, lambda: ITEMS.create_item(with_id))
    assert refused.data.type == "urn:jobpipe:problem:invalid-request", refused.data
    refused = refusal(NotFoundException, lambda: ITEMS.get_item("no-such-item"))
    assert (refused.data.type, refused.data.status) == ("urn:jobpipe:problem:not-found", 404)
    refusal(ForbiddenException, lambda: made.ItemsApi(ANYONE).list_items())


def ended(job: Any) -> Any:
    """Wait for the job, and return it."""
    for _ in range(60):
        if job.done:
            return job
        job = JOBS.get_job(job.id, wait=made.GetJobWaitParameter(10))
        assert isinstance(job, made.Job), job
    raise AssertionError(job)


def result(answer: Any) -> dict[str, Any]:
    """Return the result of a write, which is a job if the request did not wait long enough."""
    final = ended(answer).result if isinstance(answer, made.Job) else answer
    final = getattr(final, "actual_instance", final)
    assert isinstance(final, made.Item | made.Deleted), final
    document: dict[str, Any] = final.to_dict()
    return document


def refusal(kind: Any, request: Any) -> Any:
    """Return the exception that the request raises."""
    try:
        answer = request()
    except kind as refused:
        return refused
    raise AssertionError(answer)


if __name__ == "__main__":
    main()
