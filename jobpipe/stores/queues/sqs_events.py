"""The FIFO queue of ended jobs, which are to be told, and of tasks that wait for ended jobs."""

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
        """Let the task be answered; when this returns, its message is on the queue."""
        # It tells no event, so it need not wait for those of the job's document: its group is the job's own. Nor is
        # it ever a duplicate: what an earlier message has found in the row may be another token.
        with aws_call(_QUEUE):
            self._clients.sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=encode_task(task),
                MessageGroupId=f"task:{task.job_id}",
                MessageDeduplicationId=token_hex(16),
            )
