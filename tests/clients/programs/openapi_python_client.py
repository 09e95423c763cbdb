"""Call every operation with the client that openapi-python-client makes.

The environment has URL, KEY, NAME, FAILED and CANCELLED. VALID=only omits invalid requests.
"""

from __future__ import annotations

import os
from typing import Any

from made_by_openapi_python_client import AuthenticatedClient, Client
from made_by_openapi_python_client.api.batches import cancel_batch, get_batch, retry_batch, submit_batch
from made_by_openapi_python_client.api.items import (
    create_item,
    delete_item,
    get_item,
    list_items,
    patch_item,
    put_item,
)
from made_by_openapi_python_client.api.jobs import (
    cancel_job,
    dismiss_job,
    get_job,
    list_jobs,
    retry_job,
    submit_job,
)
from made_by_openapi_python_client.api.service import console, docs, get_stats, health, index, openapi
from made_by_openapi_python_client.api.webhooks import (
    change_webhook,
    create_webhook,
    delete_webhook,
    get_webhook,
    list_deliveries,
    list_webhooks,
    replay_deliveries,
    replay_delivery,
    rotate_secret,
    test_webhook,
)
from made_by_openapi_python_client.models import (
    Batch,
    BatchEntriesItemType0,
    BatchEntriesItemType1,
    CreateCommand,
    DeleteCommand,
    Deleted,
    FieldsToSet,
    Health,
    Item,
    Job,
    JobStatus,
    ListJobsStatus,
    MergeCommand,
    MergePatch,
    NewBatch,
    NewItem,
    NewWebhook,
    NewWebhookCollectionsItem,
    NewWebhookEventsItem,
    Problem,
    ProblemType,
    ReadCommand,
    Replay,
    SetCommand,
    WebhookChanges,
)

NAME = os.environ["NAME"]
MORE = {"price": 12.95, "size": {"width": 140}, "tags": ["a", None], "gone": True}
ANYONE = Client(base_url=os.environ["URL"], timeout=60)
CALLER = AuthenticatedClient(
    base_url=os.environ["URL"],
    token=os.environ["KEY"],
    prefix="",
    auth_header_name="x-api-key",
    timeout=60,
)


def main() -> None:
    public_operations()
    items()
    commands()
    batches()
    dismiss_retry_and_cancel()
    webhooks()
    if os.environ.get("VALID") != "only":
        refusals()


def public_operations() -> None:
    root = index.sync(client=ANYONE)
    assert root.name == "jobpipe", root
    assert root.links["items"] == "/items", root.links
    assert isinstance(health.sync(client=ANYONE), Health)
    assert openapi.sync(client=ANYONE)["openapi"].startswith("3.1")
    for page in (docs, console):
        assert "<html" in page.sync(client=ANYONE)
    assert get_stats.sync(client=CALLER).dead_letters == 0


def items() -> None:
    new = NewItem(name=NAME, description="For two")
    new.additional_properties = dict(MORE)
    accepted = create_item.sync(client=CALLER, body=new, idempotency_key=NAME)
    assert isinstance(accepted, Job), accepted
    replay = create_item.sync(client=CALLER, body=new, idempotency_key=NAME)
    assert replay.id == accepted.id
    job = ended(accepted)
    assert isinstance(job.result, Item)
    item_id, etag = job.item_id, job.etag
    assert get_item.sync(item_id, client=CALLER).to_dict() == {"id": item_id, **new.to_dict()}
    assert item_id in [each.id for each in list_items.sync(client=CALLER, limit=100)]

    fields = FieldsToSet(description="For three")
    changed = put_item.sync(item_id, client=CALLER, body=fields, if_match=etag, prefer="wait=20")
    assert result(changed)["description"] == "For three"
    late = put_item.sync(item_id, client=CALLER, body=fields, if_match=etag, prefer="wait=20")
    assert failure(late) == ProblemType.URNJOBPIPEPROBLEMVERSION_MISMATCH

    patch = MergePatch()
    patch.additional_properties = {"gone": None, "size": {"height": 90}}
    patched = result(patch_item.sync(item_id, client=CALLER, body=patch, prefer="wait=20"))
    assert patched["size"] == {"width": 140, "height": 90}, patched
    assert "gone" not in patched
    deleted = delete_item.sync(item_id, client=CALLER, prefer="wait=20")
    assert result(deleted) == {"message": "Item deleted"}


def commands() -> None:
    def done(command: Any) -> dict[str, Any]:
        answer: dict[str, Any] = result(submit_job.sync(client=CALLER, body=command, prefer="wait=20"))
        return answer

    new = NewItem(name=f"{NAME}, a command", description="x")
    item_id = done(CreateCommand(operation="create", item=new))["id"]
    fields = FieldsToSet(name=f"{NAME}, set")
    assert done(SetCommand(operation="update", item_id=item_id, set_=fields))["name"] == fields.name
    patch = MergePatch(description="merged")
    assert done(MergeCommand(operation="update", item_id=item_id, merge=patch))["description"] == "merged"
    assert done(ReadCommand(operation="read", item_id=item_id))["name"] == fields.name
    assert done(DeleteCommand(operation="delete", item_id=item_id)) == {"message": "Item deleted"}


def batches() -> None:
    new = NewItem(name=f"{NAME}, a batch", description="x")
    missing = "no-such-item"
    body = NewBatch(
        commands=[
            CreateCommand(operation="create", item=new),
            ReadCommand(operation="read", item_id=missing),
            SetCommand(operation="update", item_id=missing, set_=FieldsToSet(description="x"), if_match=None),
            MergeCommand(operation="update", item_id=missing, merge=MergePatch()),
            DeleteCommand(operation="delete", item_id=missing, if_match='"0"'),
        ]
    )
    accepted = submit_batch.sync(client=CALLER, body=body)
    assert isinstance(accepted, Batch), accepted
    for _ in range(600):
        batch = get_batch.sync(accepted.id, client=CALLER)
        if batch.done:
            break
        ended(next(entry.job for entry in batch.entries if not entry.job.done))
    assert (batch.counts.succeeded, batch.counts.failed) == (1, 4), batch
    assert all(isinstance(entry, BatchEntriesItemType0) for entry in batch.entries)
    retried = retry_batch.sync(accepted.id, client=CALLER)
    assert retried.counts.succeeded == 1, retried
    left = cancel_batch.sync(accepted.id, client=CALLER).entries[0]
    assert isinstance(left, BatchEntriesItemType0), left
    assert (left.job.status, left.unchanged.status) == ("succeeded", 409)

    new.name += "\U000e0041"  # it is invisible, but the schema covers only the basic plane
    body.commands = [*reversed(body.commands[:2])]
    *_, refused = submit_batch.sync(client=CALLER, body=body).entries
    assert isinstance(refused, BatchEntriesItemType1), refused
    assert refused.problem.status == 400


def dismiss_retry_and_cancel() -> None:
    failed = os.environ["FAILED"]
    assert failed in [job.id for job in list_jobs.sync(client=CALLER, status=ListJobsStatus.FAILED, limit=100)]
    assert dismiss_job.sync(failed, client=CALLER).dismissed_at
    retried = retry_job.sync(failed, client=CALLER)  # it fails again, and is listed again
    assert isinstance(retried, Job), retried
    assert ended(retried).status == JobStatus.FAILED
    assert retried.retries >= 1
    cancelled = cancel_job.sync(os.environ["CANCELLED"], client=CALLER)
    assert cancelled.status == JobStatus.CANCELLED, cancelled


def webhooks() -> None:
    url = f"https://receiver.example/{NAME}"
    events = [NewWebhookEventsItem.JOB_ENDED]
    new = NewWebhook(url=url, events=events, collections=[NewWebhookCollectionsItem.ITEMS])
    made = create_webhook.sync(client=CALLER, body=new, idempotency_key=NAME)
    assert made.secret.startswith("whsec_"), made
    assert create_webhook.sync(client=CALLER, body=new, idempotency_key=NAME).secret == made.secret
    assert made.id in [each.id for each in list_webhooks.sync(client=CALLER)]
    paused = change_webhook.sync(made.id, client=CALLER, body=WebhookChanges(paused=True))
    assert (paused.paused, paused.url, paused.failing_since) == (True, url, None), paused
    assert get_webhook.sync(made.id, client=CALLER).collections == ["items"]
    event = test_webhook.sync(made.id, client=CALLER).event
    assert event in [each.event for each in list_deliveries.sync(made.id, client=CALLER, limit=10)]
    assert replay_delivery.sync(made.id, event, client=CALLER).event == event
    since = made.created_at
    assert replay_deliveries.sync(made.id, client=CALLER, body=Replay(since=since)).since == since
    rotated = rotate_secret.sync(made.id, client=CALLER)
    assert rotated.secret != made.secret
    assert rotated.old_secret_until > made.created_at
    assert delete_webhook.sync(made.id, client=CALLER).message == "Webhook deleted"


def refusals() -> None:
    with_id = NewItem(name="x", description="x")
    with_id["id"] = "mine"
    refused = create_item.sync_detailed(client=CALLER, body=with_id)
    assert refused.status_code == 400, refused
    assert refused.parsed.type_ == ProblemType.URNJOBPIPEPROBLEMINVALID_REQUEST, refused.parsed
    assert failure(get_item.sync("no-such-item", client=CALLER)) == ProblemType.URNJOBPIPEPROBLEMNOT_FOUND
    assert list_items.sync_detailed(client=ANYONE).status_code == 403


def ended(job: Job) -> Job:
    """Wait for the job, and return it."""
    for _ in range(60):
        if job.done:
            return job
        job = get_job.sync(job.id, client=CALLER, wait=10)
        assert isinstance(job, Job), job
    raise AssertionError(job)


def result(answer: Any) -> dict[str, Any]:
    """Return the result of a write, which is a job if the request did not wait long enough."""
    final = ended(answer).result if isinstance(answer, Job) else answer
    assert isinstance(final, Item | Deleted), final
    document: dict[str, Any] = final.to_dict()
    return document


def failure(answer: Any) -> Any:
    """Return the type of the problem in the answer."""
    problem = ended(answer).error if isinstance(answer, Job) else answer
    assert isinstance(answer, Job) or isinstance(problem, Problem), problem
    return problem.type_


if __name__ == "__main__":
    main()
