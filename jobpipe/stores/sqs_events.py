"""The FIFO queue of ended jobs, which are to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobpipe.domain.events.ended_jobs import EndedJob, deduplication_id, encode_ended
from jobpipe.runtime.aws import AwsClients, outages


class SqsEvents:
    """EventQueue on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def tell(self, ended: Sequence[tuple[str, Sequence[EndedJob]]]) -> list[bool]:
        """Send one message for each group of jobs, up to ten; return for each whether it is on the queue."""
        entries: list[Any] = [
            {
                "Id": str(n),
                "MessageBody": encode_ended(jobs),
                "MessageGroupId": group_id,
                "MessageDeduplicationId": deduplication_id(jobs),
            }
            for n, (group_id, jobs) in enumerate(ended)
        ]
        with outages("The queue of events"):
            response = self._clients.sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        sent = {int(entry["Id"]) for entry in response.get("Successful", [])}
        # A message is on the queue only if SQS confirms it.
        return [n in sent for n in range(len(entries))]
