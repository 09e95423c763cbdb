"""Webhooks, receivers and the functions that notify in random histories."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from jobpipe.domain.events.delivery import Delivery
from jobpipe.domain.events.webhook import Webhook
from tests.faults.histories.history_callers import HistoryCallers
from tests.faults.histories.history_stage import BEHIND, in_changes, in_deliveries, in_notifications, picks
from tests.faults.histories.random_commands import owners
from tests.faults.stage.notifying_stage import NOTIFYING_SECONDS, Answer
from tests.helpers.unreliable import Fault

bad = [
    Answer(500),
    Answer(500),
    Answer(302),
    Answer(0, 10),
    Answer(0, 10),
    Answer(410),
    Answer(None),
    Answer(204, 9.5),
]
plans = st.lists(st.sampled_from(bad), min_size=1, max_size=4)
changes_of_webhooks = st.sampled_from(["pause", "pause", "resume", "resume", "resume", "delete"])
subscribed = st.sampled_from([["job.ended"], ["item.changed"], ["job.ended", "item.changed"]])


class HistoryWebhooks(HistoryCallers):
    """Webhooks of the callers."""

    @precondition(lambda self: len(self.webhooks) < 4)
    @rule(owner=owners, events=subscribed, key=st.none() | st.just("hook"), planned=in_changes)
    def create_webhook(self, owner: str, events: list[str], key: str | None, planned: list[Fault]) -> None:
        body = {"url": "https://example.com/hook", "events": events}
        answer = self.ask("POST", "/webhooks", body, planned, owner, key)
        assert answer is None or answer.status in (201, 422, 503), answer.text
        for each in self.stage.webhooks.rows.values():
            if each.webhook_id not in self.webhooks:
                self.webhooks[each.webhook_id] = each.owner
                self.notified.since[each.webhook_id] = len(self.notified.ends)

    @precondition(lambda self: self.webhooks)
    @rule(pick=st.integers(0, 3), change=changes_of_webhooks, planned=in_changes)
    def change_webhook(self, pick: int, change: str, planned: list[Fault]) -> None:
        webhook_id, owner = list(self.webhooks.items())[pick % len(self.webhooks)]
        if change == "delete":
            answer = self.ask("DELETE", f"/webhooks/{webhook_id}", None, planned, owner)
        else:
            answer = self.ask("PATCH", f"/webhooks/{webhook_id}", {"paused": change == "pause"}, planned, owner)
        assert answer is None or answer.status in (200, 404, 503), answer.text

    @precondition(lambda self: self.stage.deliveries.rows)
    @rule(pick=st.integers(0, 9), planned=in_changes)
    def replay_event(self, pick: int, planned: list[Fault]) -> None:
        places = list(self.stage.deliveries.rows)
        owner, webhook_id, event_id = places[pick % len(places)]
        self.notified.replayed.add((webhook_id, event_id))
        self.ask("POST", f"/webhooks/{webhook_id}/deliveries/{event_id}/replay", None, planned, owner)

    @precondition(lambda self: self.webhooks)
    @rule(pick=st.integers(0, 3), plan=plans)
    def receiver_changes(self, pick: int, plan: list[Answer]) -> None:
        self.stage.receivers.answers[list(self.webhooks)[pick % len(self.webhooks)]] = [*plan]

    def requested(self, webhook: Webhook, delivery: Delivery, status: int) -> None:
        """Note a request to a receiver."""
        head = self.stage.deliveries.head(delivery.line)
        is_head = head is not None and head.event_id == delivery.event_id
        with self.checking():
            self.notified.request(webhook, delivery, status, is_head=is_head)

    @precondition(lambda self: self.stage.events_waiting.waiting)
    @rule(
        pick=picks, seconds=st.sampled_from([NOTIFYING_SECONDS, NOTIFYING_SECONDS, 0.5]), planned=in_notifications
    )
    def notify(self, pick: list[int], seconds: float, planned: list[Fault]) -> None:
        with self.process(planned):
            self.stage.notify(pick, seconds)

    @precondition(lambda self: self.stage.deliveries_waiting.waiting)
    @rule(
        pick=picks,
        seconds=st.sampled_from([NOTIFYING_SECONDS, NOTIFYING_SECONDS, 20]),
        behind=st.sampled_from(BEHIND),
        planned=in_deliveries,
    )
    def deliver(self, pick: list[int], seconds: float, behind: float, planned: list[Fault]) -> None:
        with self.clock_off_by(-behind), self.process(planned):
            self.stage.deliver(pick, seconds)

    @precondition(lambda self: self.stage.later_waiting.waiting)
    @rule(planned=in_deliveries)
    def wake(self, planned: list[Fault]) -> None:
        with self.process(planned):
            self.stage.wake()

    def deduplication_lapses(self) -> None:
        """Do nothing: this comes with the time that passes."""
