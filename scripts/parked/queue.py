"""The parked queue as an operator works with it: look, resend, drop; what is not taken is visible again at once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobpipe.runtime.aws import AwsClients

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HIDDEN_SECONDS = 60
"""How long SQS hides what is being looked at, should the command die before it puts it back."""

_LOOK_SECONDS = HIDDEN_SECONDS / 2  # then what was seen first would soon be seen again
_MAX_BATCH = 10
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Parked:
    """One message, with the beginning of its body."""

    message_id: str
    since: datetime
    reason: str
    source: str
    group_id: str
    beginning: str
    length: int  # of the whole body, in characters


@dataclass
class ParkedQueue:
    """The queue. Each method looks at `limit` messages at most, in as much memory as their receipts take."""

    clients: AwsClients
    parked_url: str
    commands_url: str

    def about(self) -> int:
        """About how many messages are there."""
        answer = self.clients.sqs.get_queue_attributes(
            QueueUrl=self.parked_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        return sum(map(int, answer["Attributes"].values()))

    def look(self, limit: int) -> list[Parked]:
        """What is there."""
        with _one_pass(self.clients.sqs, self.parked_url) as messages:
            return [_parked(message) for message in messages.receive(limit)]

    def resend(self, limit: int, ids: Collection[str] | None, on_taken: Callable[[str], None]) -> None:
        """Move the messages of these ids (None: all) to the commands queue, each back into its group.

        What cannot be decoded now either comes back as another message, which is not sent once more.
        """
        sent: set[str] = set()
        with _one_pass(self.clients.sqs, self.parked_url) as messages:
            for message in _wanted(messages.receive(limit), ids):
                if _attribute(message, "message_id") in sent:
                    continue
                sent.add(self._send(message))
                # Sent first: to die between the two doubles the message, which then takes effect once (P2).
                messages.delete(message)
                on_taken(message["MessageId"])

    def drop(self, limit: int, ids: Collection[str] | None, on_taken: Callable[[str], None]) -> None:
        """Delete the messages of these ids (None: all)."""
        with _one_pass(self.clients.sqs, self.parked_url) as messages:
            for message in _wanted(messages.receive(limit), ids):
                messages.delete(message)
                on_taken(message["MessageId"])

    def _send(self, message: MessageTypeDef) -> str:
        answer = self.clients.sqs.send_message(
            QueueUrl=self.commands_url,
            MessageBody=message["Body"],
            MessageGroupId=_attribute(message, "group_id") or message["MessageId"],
            MessageDeduplicationId=uuid.uuid4().hex,  # under its old id SQS might drop it
        )
        return answer["MessageId"]


@dataclass
class _Pass:
    """Messages as they are received, each once."""

    sqs: SQSClient
    url: str
    hidden: dict[str, str] = field(default_factory=dict)  # receipts of what is to be put back, by message id

    def receive(self, limit: int) -> Iterator[MessageTypeDef]:
        """Until there are no more, or the limit is reached, or what was hidden first would come back."""
        seen: set[str] = set()
        end = time.monotonic() + _LOOK_SECONDS
        while len(seen) < limit and (time.monotonic() < end or not self.hidden):
            answer = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(_MAX_BATCH, limit - len(seen)),
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=1,  # a short poll asks some of SQS's servers only, and may miss what is there
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                return
            self.hidden.update((message["MessageId"], message["ReceiptHandle"]) for message in messages)
            for message in messages:
                if message["MessageId"] not in seen:
                    seen.add(message["MessageId"])
                    yield message

    def delete(self, message: MessageTypeDef) -> None:
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        del self.hidden[message["MessageId"]]

    def put_back(self) -> None:
        """Make what was not deleted visible again."""
        receipts = list(self.hidden.values())
        for start in range(0, len(receipts), _MAX_BATCH):
            # An entry that fails comes back by itself, a little later.
            self.sqs.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(i), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for i, receipt in enumerate(receipts[start : start + _MAX_BATCH])
                ],
            )


@contextmanager
def _one_pass(sqs: SQSClient, url: str) -> Iterator[_Pass]:
    messages = _Pass(sqs, url)
    try:
        yield messages
    finally:
        messages.put_back()


def _wanted(messages: Iterator[MessageTypeDef], ids: Collection[str] | None) -> Iterator[MessageTypeDef]:
    """Those of the ids, until all are found."""
    missing = None if ids is None else set(ids)
    for message in messages:
        if missing is None:
            yield message
        elif message["MessageId"] in missing:
            missing.discard(message["MessageId"])
            yield message
            if not missing:
                return


def _parked(message: MessageTypeDef) -> Parked:
    sent = int(message["Attributes"]["SentTimestamp"]) / 1000
    return Parked(
        message_id=message["MessageId"],
        since=datetime.fromtimestamp(sent, UTC),
        reason=_attribute(message, "reason"),
        source=_attribute(message, "source"),
        group_id=_attribute(message, "group_id"),
        beginning=message["Body"][:_SHOWN_CHARACTERS],
        length=len(message["Body"]),
    )


def _attribute(message: MessageTypeDef, name: str) -> str:
    """Empty if it has none: whoever may send to the queue may send anything."""
    attributes = message.get("MessageAttributes", {})
    return attributes[name].get("StringValue", "") if name in attributes else ""
