"""What each grant is for: what breaks without it, and the scenario in which that is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.iam.lab import Lab
from tests.iam.scenarios import api, dead_letters, worker

Key = tuple[str, str, str]  # role, Sid, action


@dataclass(frozen=True)
class Need:
    """The scenario tells `well` under the role as it is deployed, and `ill` when the role lacks the grant."""

    scenario: Callable[[Lab], str]
    well: str
    ill: str
    breaks: str  # in words
    meanwhile: tuple[str, ...] = ()  # actions that the scenario itself takes from the role


NEEDS: dict[Key, Need] = {
    # --- the API
    ("APIRole", "QueueCommands", "sqs:SendMessage"): Need(
        api.post_an_item, "202, 1 queued", "503, 0 queued", "no command is accepted"
    ),
    ("APIRole", "KeepJobs", "dynamodb:GetItem"): Need(api.poll_a_job, "200", "503", "no job can be polled"),
    ("APIRole", "KeepJobs", "dynamodb:PutItem"): Need(
        api.post_an_item, "202, 1 queued", "503, 0 queued", "no command is accepted"
    ),
    ("APIRole", "KeepJobs", "dynamodb:UpdateItem"): Need(
        api.cancel_a_job, "200, cancelled", "503, queued", "no job can be cancelled, nor a retried one marked"
    ),
    ("APIRole", "KeepJobs", "dynamodb:BatchGetItem"): Need(
        api.get_a_batch, "202, 200, 2 queued", "202, 503", "no batch can be polled, nor sent again"
    ),
    ("APIRole", "QueueBatches", "sqs:SendMessageBatch"): Need(
        api.post_a_batch,
        "202, 2 queued",
        "503, 0 queued",
        "no batch is accepted by an emulator; AWS, which has no such action, asks for sqs:SendMessage",
    ),
    ("APIRole", "CountCommands", "sqs:GetQueueAttributes"): Need(
        api.count_what_waits, "200", "503", "nobody sees how much waits"
    ),
    ("APIRole", "CountDeadLetters", "sqs:GetQueueAttributes"): Need(
        api.count_what_waits, "200", "503", "nobody sees how much waits"
    ),
    ("APIRole", "CountParked", "sqs:GetQueueAttributes"): Need(
        api.count_what_waits, "200", "503", "nobody sees how much waits"
    ),
    ("APIRole", "AgeOfMessages", "cloudwatch:GetMetricStatistics"): Need(
        api.count_what_waits_and_for_how_long,
        "200, oldest 42.0",
        "200, oldest None",
        "nobody sees for how long the oldest message waits",
    ),
    ("APIRole", "ListJobs", "dynamodb:Query"): Need(
        api.list_failed_jobs, "200, listed", "503", "nobody sees which jobs have failed"
    ),
    ("APIRole", "ListTroubledJobs", "dynamodb:Query"): Need(
        api.list_failed_jobs,
        "200, listed",
        "503",
        "nobody sees jobs that failed before there were shards",
    ),
    ("APIRole", "ReadItems", "dynamodb:GetItem"): Need(api.get_an_item, "200", "503", "no item can be read"),
    ("APIRole", "ReadItems", "dynamodb:Scan"): Need(api.list_items, "200", "503", "items cannot be listed"),
    ("APIRole", "ReadDocuments", "s3:GetObjectVersion"): Need(
        api.get_a_large_item, "200", "503", "an item of more than 1 KB cannot be read"
    ),
    ("APIRole", "ReadDocuments", "s3:GetObject"): Need(
        api.get_an_item_whose_version_is_gone,
        "200",
        "503",
        "an item cannot be read once lifecycle has expired the version that its row names",
    ),
    ("APIRole", "ClaimCommands", "s3:PutObject"): Need(
        api.post_a_huge_item, "202, claims 1", "503, claims 0", "no command of more than 200 KB is accepted"
    ),
    ("APIRole", "ClaimCommands", "s3:GetObject"): Need(
        api.retry_a_huge_command,
        "202, queued",
        "503, failed",
        "a failed command of more than 200 KB cannot be retried",
    ),
    ("APIRole", "ClaimCommands", "s3:DeleteObject"): Need(
        api.post_a_huge_item_that_cannot_be_queued,
        "503, claims 0",
        "503, claims 1",
        "a claim check is left behind by a command that could not be queued",
        meanwhile=("sqs:SendMessage",),
    ),
    ("APIRole", "MissClaims", "s3:ListBucket"): Need(
        api.replay_a_huge_item_whose_message_was_never_sent,
        "202, claims 1, 1 queued",
        "503, claims 0, 0 queued",
        "a request for a command of more than 200 KB cannot be sent again",
    ),
    # --- the worker
    ("WorkerRole", "ReceiveCommands", "sqs:DeleteMessage"): Need(
        worker.acknowledge_before_one_that_runs_alone,
        "succeeded, 0 on the queue",
        "succeeded, 1 on the queue",
        "what is done comes back with a command that kills its worker",
    ),
    ("WorkerRole", "ReceiveCommands", "sqs:ChangeMessageVisibility"): Need(
        worker.return_a_message,
        "retrying, returned, back within 3 s",
        "retrying, returned, not back within 3 s",
        "what failed comes again only when the queue's visibility ends, with no backoff of its own",
    ),
    ("WorkerRole", "Park", "sqs:SendMessage"): Need(
        worker.garbage,
        "acknowledged, 1 parked",
        "returned, 0 parked",
        "a message that is no command comes again and again",
    ),
    ("WorkerRole", "EndJobs", "dynamodb:GetItem"): Need(
        worker.create_at_the_second_delivery, "succeeded", "queued, returned", "no command is tried a second time"
    ),
    ("WorkerRole", "EndJobs", "dynamodb:UpdateItem"): Need(
        worker.read, "succeeded", "queued, returned", "no job ends"
    ),
    ("WorkerRole", "CommitItems", "dynamodb:GetItem"): Need(
        worker.read, "succeeded", "retrying, returned", "no item is read, changed or deleted"
    ),
    ("WorkerRole", "CommitItems", "dynamodb:PutItem"): Need(
        worker.create, "succeeded", "retrying, returned", "no item is made or changed"
    ),
    ("WorkerRole", "CommitItems", "dynamodb:DeleteItem"): Need(
        worker.delete, "succeeded", "retrying, returned", "no item is deleted"
    ),
    ("WorkerRole", "LockNames", "dynamodb:PutItem"): Need(
        worker.rename, "succeeded", "retrying, returned", "no item is made or renamed"
    ),
    ("WorkerRole", "LockNames", "dynamodb:DeleteItem"): Need(
        worker.rename, "succeeded", "retrying, returned", "no item is renamed or deleted"
    ),
    ("WorkerRole", "KeepDocuments", "s3:PutObject"): Need(
        worker.create, "succeeded", "retrying, returned", "no item is made or changed"
    ),
    ("WorkerRole", "KeepDocuments", "s3:GetObjectVersion"): Need(
        worker.patch_a_large_item, "succeeded", "retrying, returned", "an item of more than 1 KB cannot be changed"
    ),
    ("WorkerRole", "KeepDocuments", "s3:GetObject"): Need(
        worker.patch_an_item_whose_version_is_gone,
        "succeeded",
        "retrying, returned",
        "an item cannot be changed once lifecycle has expired the version that its row names",
    ),
    ("WorkerRole", "KeepDocuments", "s3:DeleteObject"): Need(
        worker.supersede_a_document,
        "succeeded, documents 1",
        "succeeded, returned, documents 2",
        "what a change has superseded is left behind, and its message comes again",
    ),
    ("WorkerRole", "RedeemClaims", "s3:GetObject"): Need(
        worker.create_by_claim_check,
        "succeeded, claims 0",
        "retrying, returned, claims 1",
        "no command of more than 200 KB is done",
    ),
    ("WorkerRole", "RedeemClaims", "s3:DeleteObject"): Need(
        worker.create_by_claim_check,
        "succeeded, claims 0",
        "succeeded, returned, claims 1",
        "claim checks are left behind, and their messages come again",
    ),
    ("WorkerRole", "ListDocuments", "s3:ListBucket"): Need(
        worker.create_after_an_interrupted_attempt,
        "succeeded, documents 1",
        "succeeded, returned, documents 2",
        "what an interrupted attempt has put is left behind, and its message comes again",
    ),
    # --- the dead-letter consumer
    ("DeadLettersRole", "Park", "sqs:SendMessage"): Need(
        dead_letters.garbage,
        "acknowledged, 1 parked",
        "returned, 0 parked",
        "a dead letter that is no command comes again and again",
    ),
    ("DeadLettersRole", "EndJobs", "dynamodb:UpdateItem"): Need(
        dead_letters.end_a_job, "failed", "queued, returned", "no job of a dead letter ends"
    ),
    ("DeadLettersRole", "EndJobs", "dynamodb:GetItem"): Need(
        dead_letters.clean_up_after_a_job_that_was_cancelled,
        "cancelled, documents 0, claims 0",
        "cancelled, returned, documents 1, claims 1",
        "nothing is cleaned up after a job that had ended before",
    ),
    ("DeadLettersRole", "ReadItems", "dynamodb:GetItem"): Need(
        dead_letters.end_a_job_after_an_interrupted_attempt,
        "failed, documents 0",
        "failed, returned, documents 1",
        "it cannot be told which documents are committed, so none is cleaned up",
    ),
    ("DeadLettersRole", "CleanUpDocuments", "s3:DeleteObject"): Need(
        dead_letters.end_a_job_after_an_interrupted_attempt,
        "failed, documents 0",
        "failed, returned, documents 1",
        "what an interrupted attempt has put is left behind",
    ),
    ("DeadLettersRole", "CleanUpClaims", "s3:DeleteObject"): Need(
        dead_letters.clean_up_after_a_job_that_was_cancelled,
        "cancelled, documents 0, claims 0",
        "cancelled, returned, documents 0, claims 1",
        "the claim check of a job that had ended before is left behind",
    ),
    ("DeadLettersRole", "ListDocuments", "s3:ListBucket"): Need(
        dead_letters.end_a_job_after_an_interrupted_attempt,
        "failed, documents 0",
        "failed, returned, documents 1",
        "what an interrupted attempt has put is not found, and left behind",
    ),
}

_POLLER = (
    "Lambda's poller needs it to {}. Without it AWS refuses the event source mapping; taken away later, {};"
    " the emulator's takes from the queue without asking the role"
)
_SETTINGS = "the mapping stops with a problem of its role, and {}"
_LOGS = (
    "Lambda writes the function's log under its role. Without it the function works, and leaves no line and, as"
    " metrics are lines, nothing that an alarm could go by; the emulator writes the log itself"
)
_KEY = (
    "granted only where the stage has a key of its own, which the emulator's services never ask for."
    " Without it KMS refuses the role, and {}"
)
_TRACES = (
    "Lambda sends the function's traces under its role. Without it the function works, and X-Ray's traces end"
    " before it; the emulator keeps none"
)

UNSEEN: dict[tuple[str, str], str] = {
    ("ReceiveCommands", "sqs:ReceiveMessage"): _POLLER.format("receive commands", "every job stays queued"),
    ("ReceiveCommands", "sqs:GetQueueAttributes"): _POLLER.format(
        "read the queue's settings", _SETTINGS.format("every job stays queued")
    ),
    ("ReceiveDeadLetters", "sqs:ReceiveMessage"): _POLLER.format(
        "receive dead letters", "no job of a dead letter ends"
    ),
    ("ReceiveDeadLetters", "sqs:DeleteMessage"): _POLLER.format(
        "delete those that are done", "each comes again, to a job that has ended, until SQS drops it after 14 days"
    ),
    ("ReceiveDeadLetters", "sqs:GetQueueAttributes"): _POLLER.format(
        "read the queue's settings", _SETTINGS.format("no job of a dead letter ends")
    ),
    ("Log", "logs:CreateLogStream"): _LOGS,
    ("Log", "logs:PutLogEvents"): _LOGS,
    ("Trace", "xray:PutTraceSegments"): _TRACES,
    ("Trace", "xray:PutTelemetryRecords"): _TRACES,
    ("UseTheKey", "kms:Decrypt"): _KEY.format(
        "messages are neither sent nor received, tables and documents not read: the API answers 503, no job ends"
    ),
    ("UseTheKey", "kms:GenerateDataKey"): _KEY.format(
        "messages are not sent, documents and claim checks not put: no command is accepted, none that writes is"
        " done, nothing is parked"
    ),
}
"""By Sid and action: grants that no scenario on the emulator can show, and why AWS needs them."""
