"""A stage tells a real receiver of what has happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.keys.api_keys import FIRST_OWNER
from jobpipe.domain.clock import now
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.webhook import EVENT_TYPES, Webhook, new_webhook
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.dynamodb_deliveries import DynamoDbDeliveries
from jobpipe.stores.dynamodb_webhooks import DynamoDbWebhooks
from jobpipe.stores.sqs_deliveries import SqsDeliveries
from tests.helpers.deployed import Stage, unique
from tests.helpers.receiver import receiver


class Telling:
    """The webhooks of a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        clients = AwsClients(make=lambda service, **_: stage.aws(service))
        table = stage.resources["webhooks_table"]
        self.webhooks = DynamoDbWebhooks(clients, table)
        self.deliveries = DynamoDbDeliveries(clients, table)
        self.queue = SqsDeliveries(
            clients, stage.resources["deliveries_queue_url"], stage.resources["deliveries_later_queue_url"]
        )

    @contextmanager
    def webhook(self, url: str, *, owner: str = FIRST_OWNER, **members: Any) -> Iterator[Webhook]:
        """Let the owner have a webhook during the block."""
        body = {"url": url, "events": [*EVENT_TYPES], **members}
        webhook = new_webhook(body, owner, {"items", "orders"}, UrlRules(allow_loopback=True), now())
        assert self.webhooks.put_new(webhook, 10)
        try:
            yield webhook
        finally:
            self.webhooks.delete(owner, webhook.webhook_id)


@pytest.fixture(scope="module")
def telling(stage: Stage) -> Telling:
    return Telling(stage)


def test_a_receiver_is_told_of_a_created_item(stage: Stage, telling: Telling) -> None:
    with receiver() as hook, telling.webhook(hook.url):
        job = stage.client.wait(stage.client.create({"name": unique("told"), "description": "d"}))
        changed, *_ = hook.wait_for(1, of=job.item_id)
        ended, *_ = hook.wait_for(1, of=job.id)
    assert changed.event["type"] == "item.changed"
    assert ended.event["type"] == "job.ended"
