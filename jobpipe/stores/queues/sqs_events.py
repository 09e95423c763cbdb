"""The FIFO queue of ended jobs, whose events are to be sent, and of tasks that wait for ended jobs."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex
from typing import Any

from jobpipe.domain.events.ended_jobs import EndedJob, WaitingTask, deduplication_id, encode_ended, encode_task
from jobpipe.runtime.aws import AwsClients, aws_call

_QUEUE = "The queue of events"


class SqsEvents:
    """EventQueue and TaskQueue on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def send_ended(self, ended: Sequence[tuple[str, Sequence[EndedJob]]]) -> list[bool]:
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
        with aws_call(_QUEUE):
            response = self._clients.sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        sent = {int(entry["Id"]) for entry in response.get("Successful", [])}
        # A message is on the queue only if SQS confirms it.
        return [n in sent for n in range(len(entries))]

    def send_task(self, task: WaitingTask) -> None:
        """Send a message to answer the task; when this returns, the message is on the queue."""
        # This message causes no event, so it need not wait for the events of the job's document: each job has a
        # group of its own. The message is never a duplicate, since an earlier message may have found another token
        # in the row.
        with aws_call(_QUEUE):
            self._clients.sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=encode_task(task),
                MessageGroupId=f"task:{task.job_id}",
                MessageDeduplicationId=token_hex(16),
            )
