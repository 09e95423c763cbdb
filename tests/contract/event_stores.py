"""The stores of webhooks and deliveries for the contract tests: in memory, and DynamoDB's on the emulator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobpipe.domain.clock import now
from jobpipe.domain.events.ports import DeliveryStore, WebhookStore
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.events.dynamodb_deliveries import DynamoDbDeliveries
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks
from tests.faults.stage.emulator import open_emulator
from tests.faults.stage.lambdas import open_client
from tests.helpers.memory.webhooks import MemoryDeliveries, MemoryWebhooks

AT = now()
KINDS = ("memory", "aws")


@dataclass
class EventStores:
    webhooks: WebhookStore
    deliveries: DeliveryStore
    again: Callable[[], WebhookStore]  # opens the webhooks as another process does


def opened(kind: str) -> EventStores:
    """Return new stores of this kind."""
    if kind == "memory":
        webhooks = MemoryWebhooks()
        return EventStores(webhooks, MemoryDeliveries(), lambda: webhooks)
    emulator = open_emulator()
    emulator.reset()
    clients = AwsClients(make=lambda service, **_: open_client(service, emulator))
    table = emulator.outputs["WebhooksTable"]
    return EventStores(
        DynamoDbWebhooks(clients, table),
        DynamoDbDeliveries(clients, table),
        lambda: DynamoDbWebhooks(clients, table),
    )
