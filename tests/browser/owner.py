"""A caller of the tests' own who has webhooks."""

from __future__ import annotations

from dataclasses import dataclass

from jobpipe_client import Client, Webhook

ELSEWHERE = "https://receiver.example/in"


@dataclass
class Owner:
    """A caller of the tests' own, since an owner can have ten webhooks, and its client."""

    key: str
    reader: str
    client: Client

    def webhook(self, url: str = ELSEWHERE, *events: str) -> Webhook:
        return self.client.webhooks.create(url, events=events or ("job.ended",))
