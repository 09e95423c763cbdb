"""The messages that Lambda receives from SQS and passes to a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobpipe.domain.errors import JobpipeError


@dataclass(frozen=True, slots=True)
class Delivery:
    """One receipt of a message from SQS."""

    message_id: str
    body: str
    receive_count: int  # 1 for the first delivery
    receipt_handle: str
    group_id: str  # the item's id; empty if the queue is not a FIFO queue
    sent_at: datetime
    trace_header: str  # the X-Ray header from the sender, or empty
    queue_arn: str
    sequence_number: str = ""  # in a FIFO queue; it grows with each message of the group


class NotAnSqsEvent(JobpipeError):
    """The event is not from SQS: something else invoked the function."""


def sqs_records(event: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the messages of an event. Raise NotAnSqsEvent for other events, such as test events of the console."""
    records = event.get("Records")
    if not isinstance(records, list) or any("messageId" not in record for record in records):
        raise NotAnSqsEvent("This function accepts only messages of its SQS queue.")
    return records


def parse_delivery(record: Mapping[str, Any]) -> Delivery:
    """Return the delivery that a record describes."""
    attributes = record["attributes"]
    return Delivery(
        message_id=record["messageId"],
        body=record["body"],
        receive_count=int(attributes["ApproximateReceiveCount"]),
        receipt_handle=record["receiptHandle"],
        group_id=str(attributes.get("MessageGroupId", "")),
        sent_at=datetime.fromtimestamp(int(attributes.get("SentTimestamp", 0)) / 1000, UTC),
        trace_header=str(attributes.get("AWSTraceHeader", "")),
        queue_arn=str(record.get("eventSourceARN", "")),
        sequence_number=str(attributes.get("SequenceNumber", "")),
    )
