"""The stores and queues of telling in memory, and a receiver."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.events.cloud_event import Source
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, Line
from jobpipe.domain.events.delivery_messages import Sweep, WakeLine
from jobpipe.domain.events.ended_jobs import EndedJob, encode_ended
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.webhook import JOB_ENDED, Webhook
from jobpipe.domain.events.webhook_form import new_webhook
from jobpipe.domain.jobs.job import Job, Status, new_job
from tests.helpers.memory.bus import MemoryBus
from tests.helpers.memory.documents import MemoryDocuments
from tests.helpers.memory.jobs import MemoryJobs
from tests.helpers.memory.queues import MemoryQueue
from tests.helpers.memory.tasks import MemoryTasks
from tests.helpers.memory.webhooks import MemoryDeliveries, MemoryDeliveryQueue, MemoryWebhooks
from worker_lambda.chalicelib.notifications import wait
from worker_lambda.chalicelib.notifications.deliver import deliver_line
from worker_lambda.chalicelib.notifications.notify import notify
from worker_lambda.chalicelib.notifications.services import NotificationServices
from worker_lambda.chalicelib.sqs_messages import Delivery as Message

EVER = "0001-01-01T00:00:00.000Z"


def line_of(webhook: Webhook, job: Job) -> Line:
    """Return the line of the job's document for the webhook."""
    return Line.of(webhook.owner, webhook.webhook_id, job.item)


@dataclass
class World:
    """The stores of a stage in memory, and a receiver."""

    jobs: MemoryJobs = field(default_factory=MemoryJobs)
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    deliveries: MemoryDeliveries = field(default_factory=MemoryDeliveries)
    queue: MemoryDeliveryQueue = field(default_factory=MemoryDeliveryQueue)
    received: MemoryQueue = field(default_factory=MemoryQueue)
    bus: MemoryBus | None = None
    tasks: MemoryTasks | None = None
    answers: list[int | None] = field(default_factory=list)  # of the next requests; then 204
    posted: list[str] = field(default_factory=list)  # ids of events
    seconds_left: float = 20.0
    sequence: int = 0

    @property
    def services(self) -> NotificationServices:
        return NotificationServices(
            jobs=self.jobs,
            source=Source("test", MemoryDocuments()),
            webhooks=self.webhooks,
            deliveries=self.deliveries,
            queue=self.queue,
            events_received=self.received,
            deliveries_received=self.received,
            later_received=self.received,
            post=self._post,
            bus=self.bus,
            tasks=self.tasks,
            reserve_seconds=1.0,
        )

    def _post(self, webhook: Webhook, delivery: Delivery) -> DeliveryAttempt:
        self.posted.append(delivery.event_id)
        status = self.answers.pop(0) if self.answers else 204
        return DeliveryAttempt(rfc3339(now()), 1, status, "" if status else "no response in time")

    def webhook(self, owner: str = "alice", **members: Any) -> Webhook:
        body = {"url": "https://example.com/hook", "events": [JOB_ENDED], **members}
        webhook = new_webhook(body, owner, {"items", "orders", "subscriptions"}, UrlRules(), now())
        self.webhooks.rows[owner, webhook.webhook_id] = webhook
        return webhook

    def ended(self, item_id: str = "i", owner: str = "alice", **members: Any) -> Job:
        new = new_job(CreateItem(item_id, {"name": "n", "description": "d"}), owner, None, now(), timedelta(days=1))
        job = replace(new, **{"status": Status.SUCCEEDED, "result": "{}", **members})
        self.jobs.rows[job.job_id] = job
        return job

    def tell(self, *jobs: Job, receive_count: int = 1) -> None:
        self.sequence += 1
        message = self.message(encode_ended([EndedJob(job.ref, job.item) for job in jobs]))
        sequence = f"{self.sequence:020}"
        message = replace(message, sequence_number=sequence, receive_count=receive_count)
        notify(message, self.services, lambda: self.seconds_left)

    def record(self, *jobs: Job) -> dict[str, Any]:
        """Return the message about the ends of these jobs as Lambda passes it."""
        attributes = {"ApproximateReceiveCount": "1", "MessageGroupId": "g", "SequenceNumber": "1"}
        body = encode_ended([EndedJob(job.ref, job.item) for job in jobs])
        return {"messageId": "m", "receiptHandle": "r", "body": body, "attributes": attributes}

    def message(self, body: str) -> Message:
        return Message("m", body, 1, "r", "g", datetime.fromtimestamp(0, UTC), "", "arn", "1")

    def deliver(self, line: Line, due: str = "") -> None:
        self.wake(WakeLine(line, due))

    def wake(self, message: WakeLine) -> None:
        deliver_line(message, self.services, lambda: self.seconds_left)

    def sweep_all(self, sweep: Sweep) -> None:
        """Process the pages of a sweep."""
        self.queue.sweeps = [sweep]
        while self.queue.sweeps:
            wait.sweep(self.queue.sweeps.pop(), self.services)

    def close_circuit(self, webhook: Webhook) -> None:
        """Let the time be over for which nothing is attempted."""
        self.webhooks.rows[webhook.owner, webhook.webhook_id] = replace(self.stored(webhook), next_try=None)

    def told(self, webhook: Webhook) -> list[Delivery]:
        """Return the webhook's deliveries, in the order of their events."""
        found = self.deliveries.list_since(webhook.owner, webhook.webhook_id, EVER, 100, None).deliveries
        return sorted(found, key=lambda each: each.sequence)

    def body_of(self, delivery: Delivery) -> str:
        """Return the CloudEvent of a delivery."""
        found = self.deliveries.with_body(delivery)
        assert found is not None
        return found.body

    def stored(self, webhook: Webhook) -> Webhook:
        found = self.webhooks.get(webhook.owner, webhook.webhook_id)
        assert found is not None
        return found
