"""The receivers of webhooks in the runs, with the answers that a scenario gives them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt
from jobpipe.domain.events.webhook import Webhook


@dataclass(frozen=True)
class Receipt:
    """An event that a receiver has accepted."""

    webhook_id: str
    document: str  # the line
    event: Any


@dataclass
class Receivers:
    """All receivers of a stage."""

    answers: list[int] = field(default_factory=list)  # the statuses of the next requests; then 204
    received: list[Receipt] = field(default_factory=list)
    bus: str = ""  # the ARN of an event bus to which all events go too
    tasks: bool = False  # whether the stage answers task tokens

    def post(self, webhook: Webhook, delivery: Delivery) -> DeliveryAttempt:
        """Answer a request, as the product's Poster would return it."""
        status = self.answers.pop(0) if self.answers else 204
        if status == 204:
            self.received.append(Receipt(webhook.webhook_id, delivery.line.document, json.loads(delivery.body)))
        return DeliveryAttempt(rfc3339(now()), 1, status)
