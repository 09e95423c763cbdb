"""The event bus: what is put there, in which calls, and what happens while it does not take all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.cloud_event import Event
from jobpipe.domain.events.webhook import EVENT_TYPES
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.events.eventbridge_bus import MAX_CALL_BYTES, MAX_ENTRIES, EventBridgeBus
from tests.helpers.memory.bus import MemoryBus
from tests.helpers.stubbed import Stubbed
from tests.helpers.telling import World
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.notifications.consumers import events_consumer

BUS = "arn:aws:events:us-east-1:000000000000:event-bus/shop"


def an_event(n: int = 0, body: str = "{}") -> Event:
    return Event(f"id{n}", "orders.shipped", "orders", "orders/1", "1", body)


def entry(event: Event) -> dict[str, Any]:
    return {"EventBusName": BUS, "Source": "jobpipe.prod", "DetailType": event.event_type, "Detail": event.body}


def expect(stubbed: Stubbed, events: list[Event], *refused: int) -> None:
    """Let the next call be one of these events, of which those at these places are refused."""
    results = [
        {"ErrorCode": "InternalFailure", "ErrorMessage": "no"} if n in refused else {"EventId": "e"}
        for n in range(len(events))
    ]
    answer = {"FailedEntryCount": len(refused), "Entries": results}
    stubbed.stubs["eventbridge"].add_response("put_events", answer, {"Entries": [entry(each) for each in events]})


def test_ten_events_are_one_call(stubbed: Stubbed) -> None:
    events = [an_event(n, f'{{"n":{n}}}') for n in range(11)]
    expect(stubbed, events[:10])
    expect(stubbed, events[10:])
    stubbed.bus.put(events)


@pytest.mark.parametrize("letter", ["x", "é"])
def test_the_bytes_of_a_call_are_limited(stubbed: Stubbed, letter: str) -> None:
    frame = len("jobpipe.prod" + "orders.shipped")
    room = (MAX_CALL_BYTES // 2 - frame) // len(letter.encode())
    fitting, larger = an_event(1, letter * room), an_event(2, letter * (room + 1))
    expect(stubbed, [fitting, fitting])
    expect(stubbed, [fitting])
    expect(stubbed, [larger])
    stubbed.bus.put([fitting, fitting, fitting, larger])


class _Recording:
    """A client that takes every event."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []

    def put_events(self, Entries: list[Any]) -> Any:  # noqa: N803  # as the client names it
        self.calls.append(Entries)
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"}] * len(Entries)}


@given(st.lists(st.integers(0, 210_000), max_size=25))
def test_every_event_is_in_one_call_that_fits(sizes: list[int]) -> None:
    client = _Recording()
    EventBridgeBus(AwsClients(make=lambda *_, **__: client), BUS, "prod").put(
        [an_event(n, "x" * size) for n, size in enumerate(sizes)]
    )
    assert [len(each["Detail"]) for call in client.calls for each in call] == sizes
    for call in client.calls:
        size = sum(len(each[name]) for each in call for name in ("Source", "DetailType", "Detail"))
        assert len(call) <= MAX_ENTRIES
        assert size <= MAX_CALL_BYTES


def test_what_the_bus_did_not_take_is_put_again_and_nothing_else(stubbed: Stubbed) -> None:
    events = [an_event(n) for n in range(4)]
    expect(stubbed, events, 0, 2)
    expect(stubbed, [events[0], events[2]], 1)
    expect(stubbed, [events[2]])
    stubbed.bus.put(events)


def test_a_bus_that_goes_on_refusing_is_an_outage(stubbed: Stubbed) -> None:
    for _ in range(3):
        expect(stubbed, [an_event()], 0)
    with pytest.raises(Unavailable, match=r"The event bus did not take 1 events \(InternalFailure\)"):
        stubbed.bus.put([an_event()])


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException", "InternalException"])
def test_a_call_that_fails_is_an_outage(stubbed: Stubbed, code: str) -> None:
    status = 500 if code == "InternalException" else 400
    stubbed.stubs["eventbridge"].add_client_error("put_events", code, http_status_code=status)
    with pytest.raises(Unavailable):
        stubbed.bus.put([an_event()])


# --- telling ------------------------------------------------------------------------------------------------------

SHIPPED = {"collection": "orders", "operation": "ship", "emitted_events": '[["shipped",{"carrier":"dhl"}]]'}


def test_every_event_goes_to_the_bus_also_without_webhooks() -> None:
    world = World(bus=MemoryBus())
    world.tell(world.ended(**SHIPPED))
    assert world.bus is not None
    assert [each.event_type for each in world.bus.events] == ["item.changed", "orders.shipped", "job.ended"]
    assert not world.queue.lines


def test_the_bus_and_a_webhook_are_told_the_same() -> None:
    world = World(bus=MemoryBus())
    webhook = world.webhook(events=[*EVENT_TYPES, "orders.shipped"])
    world.tell(world.ended(**SHIPPED), world.ended(owner="bob"))
    assert world.bus is not None
    on_bus = {each.event_id: (each.sequence, each.body) for each in world.bus.events}
    told = {each.event_id: (each.sequence, world.body_of(each)) for each in world.told(webhook)}
    assert told.items() <= on_bus.items()
    assert (len(told), len(on_bus)) == (4, 5), "the bus is also told of the jobs of other callers"


def test_jobs_whose_end_is_gone_are_not_put() -> None:
    world = World(bus=MemoryBus())
    job = world.ended()
    del world.jobs.rows[job.job_id]
    world.tell(job)
    assert world.bus == MemoryBus()


@pytest.mark.usefixtures("no_earlier_metrics")
def test_while_the_bus_fails_webhooks_are_told_and_the_message_comes_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = World(bus=MemoryBus(is_down=True))
    assert world.bus is not None
    webhook = world.webhook()
    record = world.record(world.ended())
    answer = consume_batch([record], events_consumer(world.services, lambda: 29.0))
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == [record["messageId"]]
    assert len(world.told(webhook)) == len(world.queue.lines) == 1
    assert '"BusFailed"' in capsys.readouterr().out
    world.bus.is_down = False
    record["attributes"]["ApproximateReceiveCount"] = "2"
    assert consume_batch([record], events_consumer(world.services, lambda: 29.0)) == {"batchItemFailures": []}
    assert [each.event_type for each in world.bus.events] == ["item.changed", "job.ended"]
    assert len(world.told(webhook)) == 1
