"""The stores and queues that notifications use."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from jobpipe.domain.events.cloud_event import Source
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt
from jobpipe.domain.events.ports import DeliveryQueue, DeliveryStore, EventBus, Tasks, WebhookStore
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.webhook import Webhook
from jobpipe.domain.limits import call_timeout, reserve
from jobpipe.domain.ports import JobStore, ReceivedMessages
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.settings import Settings
from jobpipe.stores.aws_stores import open_stores
from jobpipe.stores.events.dynamodb_deliveries import DynamoDbDeliveries
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks
from jobpipe.stores.queues.sqs_deliveries import SqsDeliveries
from jobpipe.stores.queues.sqs_received import SqsReceived

from .post import Poster

Post = Callable[[Webhook, Delivery], DeliveryAttempt]


@dataclass(frozen=True, slots=True)
class NotificationServices:
    """The stores, the queues, and the function that sends requests to receivers."""

    jobs: JobStore
    source: Source
    webhooks: WebhookStore
    deliveries: DeliveryStore
    queue: DeliveryQueue
    events_received: ReceivedMessages
    deliveries_received: ReceivedMessages
    later_received: ReceivedMessages
    post: Post  # attempts a delivery; raises Unavailable if this process cannot begin the request
    bus: EventBus | None  # the event bus that gets every event, if the stage has one
    tasks: Tasks | None  # the tasks that wait for jobs, if the stage answers their tokens
    reserve_seconds: float  # the time that must be left to begin another message of the queue of events

    @property
    def has_others(self) -> bool:
        """Return whether the stage notifies others than webhooks when jobs end."""
        return self.bus is not None or self.tasks is not None


@cache
def open_notifications() -> NotificationServices:
    """Return the stores and queues of the Lambda's stage."""
    settings = Settings.from_env(os.environ)
    clients = AwsClients(call_timeout(settings.worker_timeout))
    stores = open_stores(settings, clients)
    _ = clients.dynamodb, clients.sqs  # every message needs these clients; only large results need S3
    return NotificationServices(
        jobs=stores.jobs,
        source=Source(settings.stage, stores.documents),
        webhooks=DynamoDbWebhooks(clients, settings.webhooks_table),
        deliveries=DynamoDbDeliveries(clients, settings.webhooks_table),
        queue=SqsDeliveries(clients, settings.deliveries_queue_url, settings.deliveries_later_queue_url),
        events_received=SqsReceived(clients, settings.events_queue_url, "The queue of events"),
        deliveries_received=SqsReceived(clients, settings.deliveries_queue_url, "The queue of deliveries"),
        later_received=SqsReceived(clients, settings.deliveries_later_queue_url, "The queue of later deliveries"),
        post=Poster(UrlRules(allow_loopback=settings.loopback_webhooks)),
        bus=_bus(settings, clients),
        tasks=_tasks(clients) if settings.task_tokens else None,
        reserve_seconds=reserve(settings.worker_timeout),
    )


def _bus(settings: Settings, clients: AwsClients) -> EventBus | None:
    if not settings.event_bus:
        return None
    from jobpipe.stores.events.eventbridge_bus import EventBridgeBus  # noqa: PLC0415  # most stages do not need it

    return EventBridgeBus(clients, settings.event_bus, settings.stage)


def _tasks(clients: AwsClients) -> Tasks:
    from jobpipe.stores.events.stepfunctions_tasks import StepFunctionsTasks  # noqa: PLC0415  # most stages do not need it

    return StepFunctionsTasks(clients)
