"""The parked queue for operators, who look at its messages, resend them, or delete them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobpipe.domain import json_text
from jobpipe.domain.documents.item_ref import COLLECTION_NAME, ITEMS
from jobpipe.domain.errors import Refusal
from jobpipe.runtime.aws import AwsClients

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HIDDEN_SECONDS = 60
"""The visibility timeout of received messages, in case the command dies before it releases them."""

_RECEIVING_SECONDS = HIDDEN_SECONDS / 2  # well before the first messages would be received again
_MAX_BATCH = 10
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked message, with the beginning of its body."""

    message_id: str
    since: datetime
    reason: str
    source: str
    collection: str  # empty if the body does not say
    beginning: str
    length: int  # of the whole body, in characters


@dataclass
class ParkedQueue:
    """The parked queue. Each method receives up to `limit` messages and releases the ones it does not delete."""

    clients: AwsClients
    parked_url: str
    commands_url: str

    def approximate_length(self) -> int:
        """Return about how many messages the queue has."""
        response = self.clients.sqs.get_queue_attributes(
            QueueUrl=self.parked_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        return sum(map(int, response["Attributes"].values()))

    def look(self, limit: int) -> list[Parked]:
        """Return the messages."""
        with _in_flight(self.clients.sqs, self.parked_url) as messages:
            return [_parked(message) for message in messages.receive(limit)]

    def resend(self, limit: int, ids: Collection[str] | None, on_removed: Callable[[str], None]) -> None:
        """Move the messages with these ids, or all if None, to the commands queue, each into its message group.

        The worker parks a message again if it still cannot read it. That parked message is not resent.
        """
        sent: set[str] = set()
        with _in_flight(self.clients.sqs, self.parked_url) as messages:
            for message in _with_ids(messages.receive(limit), ids):
                if _attribute(message, "message_id") in sent:
                    continue
                sent.add(self._send(message))
                # Send first: if this process dies before the deletion, a harmless second message remains.
                messages.delete(message)
                on_removed(message["MessageId"])

    def drop(self, limit: int, ids: Collection[str] | None, on_removed: Callable[[str], None]) -> None:
        """Delete the messages with these ids, or all if None."""
        with _in_flight(self.clients.sqs, self.parked_url) as messages:
            for message in _with_ids(messages.receive(limit), ids):
                messages.delete(message)
                on_removed(message["MessageId"])

    def _send(self, message: MessageTypeDef) -> str:
        response = self.clients.sqs.send_message(
            QueueUrl=self.commands_url,
            MessageBody=message["Body"],
            MessageGroupId=_attribute(message, "group_id") or message["MessageId"],
            MessageDeduplicationId=uuid.uuid4().hex,  # with the first id, SQS might drop the message
        )
        return response["MessageId"]


@dataclass
class _InFlight:
    """The messages that were received and not yet deleted."""

    sqs: SQSClient
    url: str
    receipts: dict[str, str] = field(default_factory=dict)  # by message id

    def receive(self, limit: int) -> Iterator[MessageTypeDef]:
        """Yield each message once, up to `limit`, until the queue is empty or the first message may come again."""
        seen: set[str] = set()
        end = time.monotonic() + _RECEIVING_SECONDS
        while len(seen) < limit and (time.monotonic() < end or not self.receipts):
            response = self.sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(_MAX_BATCH, limit - len(seen)),
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=1,  # a short poll reads only some of SQS's servers, and may miss messages
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            messages = response.get("Messages", [])
            if not messages:
                return
            self.receipts.update((message["MessageId"], message["ReceiptHandle"]) for message in messages)
            for message in messages:
                if message["MessageId"] not in seen:
                    seen.add(message["MessageId"])
                    yield message

    def delete(self, message: MessageTypeDef) -> None:
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        del self.receipts[message["MessageId"]]

    def release(self) -> None:
        """Make the messages visible again."""
        receipts = list(self.receipts.values())
        for start in range(0, len(receipts), _MAX_BATCH):
            # An entry that fails becomes visible by itself, at the end of its visibility timeout.
            self.sqs.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(i), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for i, receipt in enumerate(receipts[start : start + _MAX_BATCH])
                ],
            )


@contextmanager
def _in_flight(sqs: SQSClient, url: str) -> Iterator[_InFlight]:
    messages = _InFlight(sqs, url)
    try:
        yield messages
    finally:
        messages.release()


def _with_ids(messages: Iterator[MessageTypeDef], ids: Collection[str] | None) -> Iterator[MessageTypeDef]:
    """Yield the messages with these ids, or all if None, and receive no more once all are found."""
    if ids is None:
        yield from messages
        return
    missing = set(ids)
    for message in messages:
        if message["MessageId"] in missing:
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
        collection=_collection(message["Body"]),
        beginning=message["Body"][:_SHOWN_CHARACTERS],
        length=len(message["Body"]),
    )


def _collection(body: str) -> str:
    """Return the collection that the body names, if it can be read; messages for items do not name one."""
    try:
        envelope = json_text.decode(body)
    except Refusal:
        return ""
    if not isinstance(envelope, dict) or "v" not in envelope:
        return ""
    name = envelope.get("collection", ITEMS)
    return name if isinstance(name, str) and COLLECTION_NAME.fullmatch(name) else ""


def _attribute(message: MessageTypeDef, name: str) -> str:
    """Return an attribute, or an empty string, since other senders may omit it."""
    attributes = message.get("MessageAttributes", {})
    return attributes[name].get("StringValue", "") if name in attributes else ""
