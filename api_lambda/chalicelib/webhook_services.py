"""What the endpoints under /webhooks use; it is imported when one of them is first requested."""

from __future__ import annotations

from dataclasses import dataclass

from jobpipe.domain.events.cloud_event import Source
from jobpipe.domain.events.ports import DeliveryQueue, DeliveryStore, WebhookStore
from jobpipe.domain.events.receiver_url import UrlRules


@dataclass(frozen=True, slots=True)
class WebhookServices:
    """The stores and queues of a stage with Events=on."""

    webhooks: WebhookStore
    deliveries: DeliveryStore
    queue: DeliveryQueue
    source: Source  # makes the test events
    urls: UrlRules
