"""The ends of jobs on the queue of events, and messages to the functions that tell and deliver."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from infra.keys.api_keys import FIRST_OWNER
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands.command import Command
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.events.delivery import Delivery, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import WakeLine
from jobpipe.domain.events.ended_jobs import EndedJob, encode_ended
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.webhook import JOB_ENDED, Webhook
from jobpipe.domain.events.webhook_form import new_webhook
from jobpipe.domain.jobs.job import Job
from jobpipe.domain.jobs.queue_message import QueueMessage
from tests.helpers.receiver import receiver
from tests.iam.grants import template_grants
from tests.iam.lab import LARGE, Lab, large_order, new_item, new_order, record
from worker_lambda.chalicelib.apply_command import apply_command


def end_a_job(lab: Lab) -> str:
    command = new_item()
    job = lab.accept(command)
    return _ended(lab, job, lab.run_worker(lab.delivery_of(job, command)))


def end_a_job_of_a_dead_letter(lab: Lab) -> str:
    command = new_item()
    job = lab.accept(command)
    return _ended(lab, job, lab.run_dead_letter_consumer(lab.delivery_of(job, command)))


def tell_of_an_item(lab: Lab) -> str:
    return _tell(lab, _succeeded(lab, new_item()))


def tell_again_of_an_item(lab: Lab) -> str:
    return _tell(lab, _succeeded(lab, new_item()), receives=2)


def tell_of_a_large_item(lab: Lab) -> str:
    return _tell(lab, _succeeded(lab, new_item(large=LARGE)))


def tell_of_a_large_order(lab: Lab) -> str:
    return _tell(lab, _succeeded(lab, new_order(**large_order())))


def tell_of_an_item_whose_version_has_expired(lab: Lab) -> str:
    job = _succeeded(lab, new_item(large=LARGE))
    item = lab.stores.items.get(job.item_id)
    assert item is not None
    lab.expire_version(item)
    return _tell(lab, job)


def tell_of_an_order_whose_version_has_expired(lab: Lab) -> str:
    job = _succeeded(lab, new_order(**large_order()))
    found = lab.stores.open_collection("orders", "").get(job.item_id)
    assert found is not None
    lab.expire_version(found)
    return _tell(lab, job)


def tell_again_soon_after_an_interruption(lab: Lab) -> str:
    job = _succeeded(lab, new_item())
    with _webhook(lab), _without(lab, "TellRole", "ReadJobs"):
        returned = lab.run_teller(lab.receive(encode_ended([EndedJob(job.ref, job.item)]), "events"))
    return _redelivered(lab, "events", returned)


def put_on_the_bus(lab: Lab) -> str:
    job = _succeeded(lab, new_item())
    return _acknowledged(lab.run_teller(record(encode_ended([EndedJob(job.ref, job.item)]))))


def deliver_an_event(lab: Lab) -> str:
    with receiver() as hook, _webhook(lab, hook.url) as webhook:
        line = _pending(lab, webhook)
        returned = lab.run_deliverer(lab.receive(WakeLine(line).encode(), "deliveries"))
        state, places = _state(lab, line)
        waiting = f"{lab.waiting('deliveries')} on the queue"
        return f"{_acknowledged(returned)}, {state}, {len(hook.received)} sent, {places} in line, {waiting}"


def fail_to_deliver(lab: Lab) -> str:
    with receiver(500) as hook, _webhook(lab, hook.url) as webhook:
        line = _pending(lab, webhook)
        returned = lab.run_deliverer(lab.receive(WakeLine(line).encode(), "deliveries"))
        failing = lab.webhooks.get(FIRST_OWNER, webhook.webhook_id)
        assert failing is not None
        later = f"{lab.waiting('deliveries_later')} later"
        return f"{_acknowledged(returned)}, {later}, {'failing' if failing.failing_since else 'not failing'}"


def deliver_again_soon_after_an_interruption(lab: Lab) -> str:
    with receiver() as hook, _webhook(lab, hook.url) as webhook:
        line = _pending(lab, webhook)
        with _without(lab, "DeliverRole", "KeepDeliveries", "dynamodb:GetItem"):
            returned = lab.run_deliverer(lab.receive(WakeLine(line).encode(), "deliveries"))
        return _redelivered(lab, "deliveries", returned)


def wake_a_line_that_is_due(lab: Lab) -> str:
    with _webhook(lab) as webhook:
        wake = WakeLine(Line(FIRST_OWNER, webhook.webhook_id, "none"), rfc3339(now()))
        returned = lab.run_deliverer(_later(record(wake.encode())))
        return f"{_acknowledged(returned)}, {lab.waiting('deliveries')} on the queue"


def wake_a_line_again_soon_after_an_interruption(lab: Lab) -> str:
    with _webhook(lab) as webhook:
        wake = WakeLine(Line(FIRST_OWNER, webhook.webhook_id, "none"), rfc3339(now()))
        with _without(lab, "DeliverRole", "WakeLinesTogether"):
            returned = lab.run_deliverer(_later(lab.receive(wake.encode(), "deliveries_later")))
    return _redelivered(lab, "deliveries_later", returned)


def _ended(lab: Lab, job: Job, returned: bool) -> str:
    return f"{lab.status(job)}{', returned' if returned else ''}, {lab.waiting('events')} sent"


def _succeeded(lab: Lab, command: Command) -> Job:
    """Return the job of a command that was applied."""
    job = lab.accept(command)
    apply_command(command, QueueMessage.of(job, command, "test"), lab.stores)
    found = lab.stores.jobs.get(job.job_id)
    assert found is not None
    return found


def _tell(lab: Lab, job: Job, *, receives: int = 1) -> str:
    """Tell the end of the job to a webhook; return what is stored for it, and what is on the queue."""
    with _webhook(lab) as webhook:
        message = record(encode_ended([EndedJob(job.ref, job.item)]), receives=receives)
        returned = lab.run_teller(message)
        stored = lab.deliveries.page(FIRST_OWNER, webhook.webhook_id, 10, None).deliveries
        return f"{_acknowledged(returned)}, {len(stored)} stored, {lab.waiting('deliveries')} on the queue"


@contextmanager
def _webhook(lab: Lab, url: str = "http://127.0.0.1:9/") -> Iterator[Webhook]:
    body = {"url": url, "events": [JOB_ENDED]}
    webhook = new_webhook(body, FIRST_OWNER, {"items", "orders"}, UrlRules(allow_loopback=True), now())
    assert lab.webhooks.put_new(webhook, 10)
    try:
        yield webhook
    finally:
        lab.webhooks.delete(FIRST_OWNER, webhook.webhook_id)


def _pending(lab: Lab, webhook: Webhook) -> Line:
    """Return a line with one event."""
    line = Line.of(webhook.owner, webhook.webhook_id, ItemRef("items", "", secrets.token_hex(8)))
    event_id = f"20261122205744123-{secrets.token_hex(8)}-ended"
    texts = {"event_type": JOB_ENDED, "subject": "jobs/1", "sequence": "1", "body": "{}"}
    assert lab.deliveries.add(
        Delivery(
            line=line,
            event_id=event_id,
            state=DeliveryState.PENDING,
            attempts=(),
            created_at=rfc3339(now()),
            **texts,
        )
    )
    return line


def _state(lab: Lab, line: Line) -> tuple[str, int]:
    """Return the state of the line's only delivery, and how many rows the line has."""
    (delivery,) = lab.deliveries.page(line.owner, line.webhook_id, 10, None).deliveries
    rows = lab.stage.aws("dynamodb").query(
        TableName=lab.resources["webhooks_table"],
        KeyConditionExpression="#partition = :lines AND begins_with(entry, :line)",
        ExpressionAttributeNames={"#partition": "partition"},
        ExpressionAttributeValues={
            ":lines": {"S": f"line#{line.owner}#{line.webhook_id}"},
            ":line": {"S": f"{line.document}#"},
        },
    )
    return delivery.state.value, rows["Count"]


@contextmanager
def _without(lab: Lab, role: str, sid: str, action: str | None = None) -> Iterator[None]:
    """Remove grants of a role during the block, so that its function is interrupted."""
    removed = [each for each in template_grants() if (each.role, each.sid) == (role, sid)]
    with lab.without_grants(*(each for each in removed if action in {None, each.action})):
        yield


def _later(message: dict[str, object]) -> dict[str, object]:
    """Return the message as one of the queue of later deliveries, which has no groups."""
    attributes = message["attributes"]
    assert isinstance(attributes, dict)
    return {**message, "attributes": {name: each for name, each in attributes.items() if name != "MessageGroupId"}}


def _acknowledged(returned: bool) -> str:
    return "returned" if returned else "acknowledged"


def _redelivered(lab: Lab, queue: str, returned: bool) -> str:
    soon = lab.is_redelivered_within(3, queue)
    return f"{_acknowledged(returned)}, {'' if soon else 'not '}redelivered within 3 s"
