"""The services of the endpoints under /webhooks, imported when one of them is first requested."""

from __future__ import annotations

from dataclasses import dataclass

from jobpipe.domain.events.cloud_event import Source
from jobpipe.domain.events.ports import DeliveryQueue, DeliveryStore, WebhookStore
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.ports import DocumentStore
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.settings import Settings
from jobpipe.stores.events.dynamodb_deliveries import DynamoDbDeliveries
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks
from jobpipe.stores.queues.sqs_deliveries import SqsDeliveries


@dataclass(frozen=True, slots=True)
class WebhookServices:
    """The stores and queues of a stage with Events=on."""

    webhooks: WebhookStore
    deliveries: DeliveryStore
    queue: DeliveryQueue
    source: Source  # creates the test events
    urls: UrlRules


def open_webhooks(settings: Settings, clients: AwsClients, documents: DocumentStore) -> WebhookServices:
    """Return the stores and queues of the Lambda's stage."""
    return WebhookServices(
        webhooks=DynamoDbWebhooks(clients, settings.webhooks_table),
        deliveries=DynamoDbDeliveries(clients, settings.webhooks_table),
        queue=SqsDeliveries(clients, settings.deliveries_queue_url, settings.deliveries_later_queue_url),
        source=Source(settings.stage, documents),
        urls=UrlRules(allow_loopback=settings.loopback_webhooks),
    )
