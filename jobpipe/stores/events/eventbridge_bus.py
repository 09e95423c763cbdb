"""The event bus of EventBridge to which a stage's events go, if it has one.

The bus keeps no order; each event has its sequence. An event that is put twice has the same CloudEvents id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.cloud_event import Event
from jobpipe.runtime import deadline
from jobpipe.runtime.aws import AwsClients, aws_call

MAX_ENTRIES = 10
"""The most entries of one call."""

MAX_CALL_BYTES = 256 * 1024
"""The most bytes of the sources, types and details of all entries of one call."""

_TRIES = 3  # to put an entry that the bus refuses while it takes others
_BUS = "The event bus"


class EventBridgeBus:
    """An implementation of EventBus on EventBridge."""

    def __init__(self, clients: AwsClients, bus: str, stage: str) -> None:
        """`bus` is the ARN of the bus."""
        self._clients = clients
        self._bus = bus
        self._source = f"jobpipe.{stage}"

    def put(self, events: Sequence[Event]) -> None:
        """Put the events, and refused ones again; raise Unavailable unless the bus accepts all."""
        for entries in _calls([self._entry(each) for each in events]):
            self._put(entries)

    def _put(self, entries: Sequence[Any]) -> None:
        codes: set[str] = set()
        for attempt in range(_TRIES):
            with aws_call(_BUS):
                results = self._clients.eventbridge.put_events(Entries=list(entries))["Entries"]
            # A call succeeds even if the bus takes none of its entries.
            refused = [pair for pair in zip(entries, results, strict=True) if "ErrorCode" in pair[1]]
            if not refused:
                return
            entries, codes = [entry for entry, _ in refused], {str(result["ErrorCode"]) for _, result in refused}
            deadline.pause_after(attempt)
        raise Unavailable(f"{_BUS} did not take {len(entries)} events ({', '.join(sorted(codes))}).")

    def _entry(self, event: Event) -> Any:
        return {
            "EventBusName": self._bus,
            "Source": self._source,
            "DetailType": event.event_type,
            "Detail": event.body,
        }


def _calls(entries: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield the entries of each call, in their order."""
    call: list[Any] = []
    room = MAX_CALL_BYTES
    for entry in entries:
        size = sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))
        if call and (len(call) == MAX_ENTRIES or size > room):
            yield call
            call, room = [], MAX_CALL_BYTES
        call.append(entry)
        room -= size
    if call:
        yield call
