"""The stores of deliveries, in memory and on AWS's API."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.events.delivery import MOST_ATTEMPTS, Delivery, DeliveryAttempt, DeliveryState, Line
from jobpipe.domain.events.webhook import JOB_ENDED
from tests.contract.event_stores import AT, KINDS, EventStores, opened

DELIVERED, PENDING, GIVEN_UP = DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.GIVEN_UP


@pytest.fixture(params=KINDS)
def stores(request: pytest.FixtureRequest) -> EventStores:
    return opened(request.param)


def a_delivery(line: Line, number: int, *, at: int = 0) -> Delivery:
    texts = {"event_type": JOB_ENDED, "subject": "jobs/1", "body": '{"a":1}'}
    return Delivery(
        line=line,
        event_id=f"{20261122205744000 + at:017}-{uuid.uuid4().hex}-ended",
        sequence=f"{number:039}-00b",
        state=PENDING,
        attempts=(),
        created_at=rfc3339(AT),
        **texts,
    )


def stored(delivery: Delivery) -> Delivery:
    """Return the delivery as it is found: its body is apart."""
    return replace(delivery, body="")


def a_line(webhook_id: str = "w", item_id: str = "i") -> Line:
    return Line.of("alice", webhook_id, ItemRef("items", "", item_id))


def test_a_line_has_its_deliveries_in_the_order_of_their_events(stores: EventStores) -> None:
    line = a_line()
    second, first = a_delivery(line, 2), a_delivery(line, 1)
    for each in (second, first, a_delivery(a_line(item_id="other"), 0)):
        assert stores.deliveries.add(each)
    assert stores.deliveries.head(line) == stored(first)
    assert stores.deliveries.first(line) == first.event_id
    stores.deliveries.record(first, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    assert stores.deliveries.head(line) == stored(second)
    stores.deliveries.record(second, DeliveryAttempt(rfc3339(AT), 12, 410), GIVEN_UP, "")
    assert stores.deliveries.head(line) is None
    assert stores.deliveries.first(line) is None


def test_an_event_is_stored_once(stores: EventStores) -> None:
    """A second telling of the same end has another sequence, and the same id."""
    delivery = a_delivery(a_line(), 1)
    assert stores.deliveries.add(delivery)
    assert not stores.deliveries.add(replace(delivery, sequence="9"))
    stores.deliveries.record(delivery, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    assert not stores.deliveries.add(replace(delivery, sequence="9"))
    assert stores.deliveries.head(a_line()) is None


def test_the_deliveries_of_one_end_of_a_job_are_found(stores: EventStores) -> None:
    stem, line = "20261122205744123-5b8c-9f", a_line()
    kinds = ("ended", "emitted-0", "changed")
    wanted = [replace(a_delivery(line, n), event_id=f"{stem}-{kind}") for n, kind in enumerate(kinds)]
    others = [
        replace(a_delivery(line, n), event_id=event_id)
        for n, event_id in enumerate((f"{stem}a-ended", "20261122205744122-5b8c-9f-ended", f"{stem[:-1]}-ended"), 3)
    ]
    elsewhere = replace(wanted[0], line=a_line(webhook_id="elsewhere"))
    for each in (*wanted, *others, elsewhere):
        assert stores.deliveries.add(each)
    found: list[Delivery] = []
    after: str | None = None
    for _ in range(2):
        page = stores.deliveries.page("alice", "w", 2, after, stem=stem)
        found += page.deliveries
        after = page.next_after
    assert found == [stored(each) for each in wanted]
    assert after is None
    assert stores.deliveries.page("alice", "w", 50, None, stem="20261122205744123-5b8c-0").deliveries == []


def test_the_deliveries_that_are_not_stored_are_found_together(stores: EventStores) -> None:
    deliveries = [a_delivery(a_line(webhook_id=f"w{n % 7}"), n) for n in range(100)]
    assert stores.deliveries.find_missing(deliveries) == deliveries
    for each in deliveries[::3]:
        assert stores.deliveries.add(each)
    delivered = deliveries[0]
    stores.deliveries.record(delivered, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    assert stores.deliveries.find_missing(deliveries) == [each for n, each in enumerate(deliveries) if n % 3]
    again = [replace(each, sequence="9") for each in deliveries[:3]]
    assert stores.deliveries.find_missing(again) == again[1:], "the same events, told by another message"
    elsewhere = replace(delivered, line=a_line(webhook_id="other"))
    assert stores.deliveries.find_missing([elsewhere]) == [elsewhere]


def test_a_failed_attempt_leaves_the_delivery_at_the_head(stores: EventStores) -> None:
    line = a_line()
    delivery = a_delivery(line, 1)
    assert stores.deliveries.add(delivery)
    attempt = DeliveryAttempt(rfc3339(AT), 10_000, None, "no response in time")
    stores.deliveries.record(delivery, attempt, PENDING, "2026-11-22T20:57:49.123Z")
    due = "2026-11-22T20:57:49.123Z"
    assert stores.deliveries.head(line) == replace(stored(delivery), attempts=(attempt,), due=due)


def test_a_replay_that_fails_hides_no_success(stores: EventStores) -> None:
    line = a_line()
    delivery = a_delivery(line, 1)
    assert stores.deliveries.add(delivery)
    success = DeliveryAttempt(rfc3339(AT), 12, 204)
    stores.deliveries.record(delivery, success, DELIVERED, "")
    failure = DeliveryAttempt(rfc3339(AT), 12, 500, replay=True)
    stores.deliveries.record(delivery, failure, PENDING, "")  # it was pending when the replay began
    found = stores.deliveries.get("alice", "w", delivery.event_id)
    assert found is not None
    assert found.state is DELIVERED
    assert stores.deliveries.head(line) is None


def test_an_attempt_and_a_replay_that_end_together_are_both_recorded(stores: EventStores) -> None:
    """Neither undoes what the other has reached, in either order."""
    due = rfc3339(AT + timedelta(seconds=5))
    for number, (in_line, replayed) in enumerate(((PENDING, DELIVERED), (GIVEN_UP, PENDING), (DELIVERED, PENDING))):
        for first in ("line", "replay"):
            line = a_line(item_id=f"{number}{first}")
            delivery = a_delivery(line, 1)
            assert stores.deliveries.add(delivery)
            attempt = DeliveryAttempt(rfc3339(AT), 12, 500)
            replay = replace(attempt, milliseconds=13, replay=True)
            records = [(attempt, in_line, due if in_line is PENDING else ""), (replay, replayed, "")]
            for each in records if first == "line" else records[::-1]:
                stores.deliveries.record(delivery, *each)
            found = stores.deliveries.get("alice", "w", delivery.event_id)
            assert found is not None
            assert {*found.attempts} == {attempt, replay}
            assert found.state is ({in_line, replayed} - {PENDING}).pop()
            assert found.due == ""
            assert stores.deliveries.head(line) is None


def test_a_failed_replay_does_not_change_when_the_head_is_due(stores: EventStores) -> None:
    line, due = a_line(), rfc3339(AT + timedelta(hours=6))
    delivery = a_delivery(line, 1)
    assert stores.deliveries.add(delivery)
    attempt = DeliveryAttempt(rfc3339(AT), 12, 500)
    stores.deliveries.record(delivery, attempt, PENDING, due)
    stores.deliveries.record(delivery, replace(attempt, replay=True), PENDING, "")  # it began before
    found = stores.deliveries.head(line)
    assert found is not None
    assert (found.due, len(found.attempts)) == (due, 2)


def test_many_replays_are_forgotten_and_no_attempt_that_the_schedule_counts(stores: EventStores) -> None:
    delivery = a_delivery(a_line(), 1)
    assert stores.deliveries.add(delivery)
    attempt = DeliveryAttempt(rfc3339(AT), 0, 500)
    current: Delivery | None = stores.deliveries.record(delivery, attempt, PENDING, "")
    for n in range(MOST_ATTEMPTS + 10):
        assert current is not None
        replay = replace(attempt, milliseconds=n, replay=True)
        current = stores.deliveries.record(current, replay, PENDING, "")
    found = stores.deliveries.get("alice", "w", delivery.event_id)
    assert found is not None
    assert found == replace(current, body="") if current else False
    assert (len(found.attempts), found.attempts_in_line) == (MOST_ATTEMPTS, 1)
    assert found.attempts[-1].milliseconds == MOST_ATTEMPTS + 9, "the oldest are forgotten"


def test_the_lines_that_wait_are_found_page_by_page(stores: EventStores) -> None:
    lines = [a_line(item_id=str(n)) for n in range(5)]
    deliveries = [a_delivery(line, n) for line in lines for n in range(3)]
    for each in (*deliveries, a_delivery(a_line("other"), 0)):
        assert stores.deliveries.add(each)
    for each in deliveries[:3]:
        stores.deliveries.record(each, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    found, after = [], None
    while True:
        page = stores.deliveries.lines("alice", "w", 2, after)
        found += page.lines
        after = page.next_after
        if after is None:
            break
    assert sorted(found, key=lambda line: line.document) == sorted(lines[1:], key=lambda line: line.document)


def test_an_attempt_of_an_expired_delivery_is_not_recorded(stores: EventStores) -> None:
    delivery = a_delivery(a_line(), 1)
    stores.deliveries.record(delivery, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    assert stores.deliveries.get("alice", "w", delivery.event_id) is None


def test_an_event_of_no_document_is_in_no_line(stores: EventStores) -> None:
    line = Line.of_no_document("alice", "w")
    delivery = a_delivery(line, 0)
    assert stores.deliveries.add(delivery)
    assert stores.deliveries.get("alice", "w", delivery.event_id) == stored(delivery)
    assert stores.deliveries.with_body(stored(delivery)) == delivery
    assert stores.deliveries.lines("alice", "w", 10, None).lines == []
    stores.deliveries.record(delivery, DeliveryAttempt(rfc3339(AT), 12, 204), DELIVERED, "")
    found = stores.deliveries.get("alice", "w", delivery.event_id)
    assert found is not None
    assert found.state is DELIVERED


def test_deliveries_are_listed_newest_first_and_read_oldest_first(stores: EventStores) -> None:
    deliveries = [a_delivery(a_line(item_id=f"i{n}"), n, at=n) for n in range(5)]
    for each in (*deliveries, a_delivery(a_line("other"), 0)):
        assert stores.deliveries.add(each)
    ids = [each.event_id for each in deliveries]
    found, after = [], None
    while True:
        page = stores.deliveries.page("alice", "w", 2, after)
        found += page.deliveries
        after = page.next_after
        if after is None:
            break
    assert [each.event_id for each in found] == ids[::-1]
    assert {each.body for each in found} == {""}
    found, after = [], None
    while True:
        page = stores.deliveries.list_since("alice", "w", "2026-11-22T20:57:44.002Z", 2, after)
        found += page.deliveries
        after = page.next_after
        if after is None:
            break
    assert [each.event_id for each in found] == ids[2:]
