"""The table of needs: what each role can no longer do when one of its grants is removed."""

from __future__ import annotations

from tests.iam.document_needs import ITEMS, OTHERS
from tests.iam.need import Key, Need, fails, is_untold
from tests.iam.scenarios import api, collections, dead_letters, release, tasks, telling, webhooks, worker

_DELIVERED = "acknowledged, delivered, 1 sent, 0 in line, 0 on the queue"
_NOT_SENT = "returned, pending, 0 sent, 1 in line, 1 on the queue"

NEEDS: dict[Key, Need] = {
    **ITEMS.needs(),
    **OTHERS.needs(),
    # --- the API
    ("APIRole", "QueueCommands", "sqs:SendMessage"): Need(
        api.post_an_item, "202, 1 queued", "503, 0 queued", "no command is accepted"
    ),
    ("APIRole", "KeepJobs", "dynamodb:GetItem"): fails(api.poll_a_job, "no job can be polled"),
    ("APIRole", "KeepJobs", "dynamodb:PutItem"): Need(
        api.post_an_item, "202, 1 queued", "503, 0 queued", "no command is accepted"
    ),
    ("APIRole", "KeepJobs", "dynamodb:UpdateItem"): Need(
        api.cancel_a_job,
        "200, cancelled",
        "503, queued",
        "no job can be cancelled or dismissed, and no retried job is marked",
    ),
    ("APIRole", "KeepJobs", "dynamodb:BatchGetItem"): Need(
        api.get_a_batch, "202, 200, 2 queued", "202, 503", "no batch can be polled, replayed, cancelled or retried"
    ),
    ("APIRole", "QueueBatches", "sqs:SendMessageBatch"): Need(
        api.post_a_batch,
        "202, 2 queued",
        "503, 0 queued",
        "an emulator accepts no batch; AWS does not have this action and requires sqs:SendMessage",
    ),
    ("APIRole", "CountCommands", "sqs:GetQueueAttributes"): fails(api.get_stats, "`GET /stats` fails"),
    ("APIRole", "CountDeadLetters", "sqs:GetQueueAttributes"): fails(api.get_stats, "`GET /stats` fails"),
    ("APIRole", "CountParked", "sqs:GetQueueAttributes"): fails(api.get_stats, "`GET /stats` fails"),
    ("APIRole", "CountScheduled", "dynamodb:Scan"): fails(
        api.get_stats_with_a_scheduled_command, "`GET /stats` fails"
    ),
    ("APIRole", "AgeOfMessages", "cloudwatch:GetMetricStatistics"): Need(
        api.get_stats_with_age,
        "200, oldest 42.0",
        "200, oldest None",
        "`GET /stats` has no age of the oldest message",
    ),
    ("APIRole", "ListJobs", "dynamodb:Query"): Need(
        api.list_failed_jobs, "200, listed", "503", "failed jobs cannot be listed"
    ),
    ("APIRole", "ListJobs", "dynamodb:Scan"): Need(
        api.list_failed_jobs_of_all, "200, listed", "503", "an operator cannot list the failed jobs of all callers"
    ),
    ("APIRole", "ListAllJobs", "dynamodb:Query"): Need(
        api.list_all_jobs, "200, listed", "503", "jobs cannot be listed by the time of their acceptance"
    ),
    ("APIRole", "ListTroubledJobs", "dynamodb:Scan"): Need(
        api.list_failed_jobs_of_all,
        "200, listed",
        "503",
        "jobs that failed before the index was sharded are missing in an operator's list of all callers' jobs",
    ),
    ("APIRole", "ListTroubledJobs", "dynamodb:Query"): Need(
        api.list_failed_jobs,
        "200, listed",
        "503",
        "jobs that failed before the index was sharded cannot be listed",
    ),
    ("APIRole", "ReadItems", "dynamodb:Scan"): fails(api.list_items, "items cannot be listed"),
    ("APIRole", "ReadCollections", "dynamodb:Query"): fails(
        collections.list_orders, "documents of other collections cannot be listed"
    ),
    ("APIRole", "ReadCollections", "dynamodb:BatchGetItem"): fails(
        collections.look_up_by_an_index, "no document can be looked up by an indexed field"
    ),
    ("APIRole", "LookUp", "dynamodb:GetItem"): fails(
        collections.look_up_by_a_unique_value, "no document can be looked up by a unique field"
    ),
    ("APIRole", "LookUp", "dynamodb:Query"): fails(
        collections.look_up_by_an_index, "no document can be looked up by an indexed field"
    ),
    ("APIRole", "KeepWebhooks", "dynamodb:GetItem"): fails(webhooks.get_a_webhook, "no webhook can be read"),
    ("APIRole", "KeepWebhooks", "dynamodb:Query"): fails(webhooks.list_webhooks, "webhooks cannot be listed"),
    ("APIRole", "KeepWebhooks", "dynamodb:PutItem"): Need(
        webhooks.create_a_webhook, "201, 1 stored", "503, 0 stored", "no webhook can be created or changed"
    ),
    ("APIRole", "KeepWebhooks", "dynamodb:UpdateItem"): Need(
        webhooks.create_a_webhook,
        "201, 1 stored",
        "503, 0 stored",
        "webhooks cannot be counted, so none is created",
    ),
    ("APIRole", "KeepWebhooks", "dynamodb:DeleteItem"): Need(
        webhooks.delete_a_webhook, "200, 0 stored", "503, 1 stored", "no webhook can be deleted"
    ),
    ("APIRole", "ReplayDeliveriesTogether", "sqs:SendMessageBatch"): Need(
        webhooks.test_a_webhook,
        "202, 1 on the queue",
        "503, 0 on the queue",
        "on an emulator no webhook can be tested, and no event replayed; AWS requires sqs:SendMessage",
    ),
    ("APIRole", "LetTasksBeAnswered", "sqs:SendMessage"): Need(
        tasks.give_an_ended_job_a_token,
        "202, 1 to answer",
        "503, 0 to answer",
        "with `TaskTokens`, no token is taken for a job that has ended",
    ),
    ("APIRole", "SweepDeliveries", "sqs:SendMessage"): Need(
        webhooks.resume_a_webhook,
        "200, 2 on the queue",
        "503, 0 on the queue",
        "what waited for a paused webhook is not delivered, and events are not replayed together",
    ),
    ("APIRole", "ClaimCommands", "s3:PutObject"): Need(
        api.post_a_huge_item, "202, claims 1", "503, claims 0", "no command of more than 380 KB is accepted"
    ),
    ("APIRole", "ClaimCommands", "s3:GetObject"): Need(
        api.retry_a_huge_command,
        "202, queued",
        "503, failed",
        "a failed command of more than 200 KB cannot be retried",
    ),
    ("APIRole", "ClaimCommands", "s3:DeleteObject"): Need(
        api.post_a_huge_item_without_access_to_the_queue,
        "503, claims 0",
        "503, claims 1",
        "the claim check of a command that could not be queued is not deleted",
        also_removed=("sqs:SendMessage",),
    ),
    ("APIRole", "LetCommandsWait", "s3:PutObject"): Need(
        api.post_a_huge_command_that_waits,
        "202, commands 1",
        "503, commands 0",
        "no command of more than 16 KB is scheduled",
    ),
    ("APIRole", "MissClaims", "s3:ListBucket"): Need(
        api.replay_a_huge_item_whose_message_was_never_sent,
        "202, claims 1, 1 queued",
        "503, claims 0, 0 queued",
        "a request with a command of more than 380 KB cannot be replayed",
    ),
    # --- the worker
    ("WorkerRole", "ReceiveCommands", "sqs:DeleteMessage"): Need(
        worker.acknowledge_before_a_redelivered_message,
        "succeeded, 0 on the queue",
        "succeeded, 1 on the queue",
        "finished messages are redelivered after a command that kills its worker",
    ),
    ("WorkerRole", "ReceiveCommands", "sqs:ChangeMessageVisibility"): Need(
        worker.interrupted_command,
        "retrying, returned, redelivered within 3 s",
        "retrying, returned, not redelivered within 3 s",
        "an interrupted command is redelivered only when the queue's visibility timeout ends, without a backoff",
    ),
    ("WorkerRole", "Park", "sqs:SendMessage"): Need(
        worker.unreadable_message,
        "acknowledged, 1 parked",
        "returned, 0 parked",
        "an unreadable message is redelivered again and again",
    ),
    ("WorkerRole", "EndJobs", "dynamodb:GetItem"): Need(
        worker.create_at_the_second_delivery, "succeeded", "queued, returned", "no redelivered command is processed"
    ),
    ("WorkerRole", "EndJobs", "dynamodb:UpdateItem"): Need(
        worker.read, "succeeded", "queued, returned", "no job ends"
    ),
    ("WorkerRole", "KeepClaims", "s3:PutObject"): Need(
        worker.create_of_a_taken_name_by_a_long_command,
        "failed, claims 1",
        "retrying, returned, claims 0",
        "no job with a command of more than 200 KB fails",
    ),
    ("WorkerRole", "KeepClaims", "s3:GetObject"): Need(
        worker.create_by_claim_check,
        "succeeded, claims 0",
        "retrying, returned, claims 1",
        "no command of more than 380 KB succeeds",
    ),
    ("WorkerRole", "KeepClaims", "s3:DeleteObject"): Need(
        worker.create_by_claim_check,
        "succeeded, claims 0",
        "succeeded, returned, claims 1",
        "claim checks are not deleted, and their messages are redelivered",
    ),
    ("WorkerRole", "ListDocuments", "s3:ListBucket"): Need(
        worker.create_after_an_interrupted_attempt,
        "succeeded, documents 1",
        "succeeded, returned, documents 2",
        "the documents of interrupted attempts are not deleted, and their messages are redelivered",
    ),
    # --- the dead-letter consumer
    ("DeadLettersRole", "Park", "sqs:SendMessage"): Need(
        dead_letters.unreadable_message,
        "acknowledged, 1 parked",
        "returned, 0 parked",
        "an unreadable dead letter is redelivered again and again",
    ),
    ("DeadLettersRole", "EndJobs", "dynamodb:UpdateItem"): Need(
        dead_letters.end_a_job, "failed", "queued, returned", "no job of a dead letter ends"
    ),
    ("DeadLettersRole", "EndJobs", "dynamodb:GetItem"): Need(
        dead_letters.clean_up_after_a_cancelled_job,
        "cancelled, documents 0, claims 0",
        "cancelled, returned, documents 1, claims 1",
        "nothing is cleaned up after a job that had already ended",
    ),
    ("DeadLettersRole", "KeepClaims", "s3:PutObject"): Need(
        dead_letters.end_a_job_of_a_long_command,
        "failed, claims 1",
        "queued, returned, claims 0",
        "no job of a dead letter with a command of more than 200 KB ends",
    ),
    ("DeadLettersRole", "KeepClaims", "s3:DeleteObject"): Need(
        dead_letters.clean_up_after_a_cancelled_job,
        "cancelled, documents 0, claims 0",
        "cancelled, returned, documents 0, claims 1",
        "the claim check of a job that had already ended is not deleted",
    ),
    ("DeadLettersRole", "ListDocuments", "s3:ListBucket"): Need(
        dead_letters.end_a_job_after_an_interrupted_attempt,
        "failed, documents 0",
        "failed, returned, documents 1",
        "the documents of interrupted attempts are not found, and not deleted",
    ),
    # --- the release of scheduled commands
    ("ReleaseRole", "ReadSchedule", "dynamodb:Query"): Need(
        release.release, "queued, 1 on the queue", "scheduled, 0 on the queue", "no scheduled command is released"
    ),
    ("ReleaseRole", "MarkJobs", "dynamodb:BatchGetItem"): Need(
        release.release, "queued, 1 on the queue", "scheduled, 0 on the queue", "no scheduled command is released"
    ),
    ("ReleaseRole", "MarkJobs", "dynamodb:UpdateItem"): Need(
        release.release,
        "queued, 1 on the queue",
        "scheduled, 1 on the queue",
        "released jobs are shown as scheduled, and their messages are sent again each minute",
    ),
    ("ReleaseRole", "SendCommandsTogether", "sqs:SendMessageBatch"): Need(
        release.release,
        "queued, 1 on the queue",
        "scheduled, 0 on the queue",
        "on an emulator no scheduled command is released; AWS requires sqs:SendMessage",
    ),
    ("ReleaseRole", "TakeCommands", "s3:GetObject"): Need(
        release.release_a_large_command,
        "queued, commands 0, claims 1",
        "scheduled, commands 1, claims 0",
        "no scheduled command of more than 16 KB is released",
    ),
    ("ReleaseRole", "TakeCommands", "s3:DeleteObject"): Need(
        release.release_a_large_command,
        "queued, commands 0, claims 1",
        "queued, commands 1, claims 1",
        "commands of more than 16 KB stay in the bucket when they are released",
    ),
    ("ReleaseRole", "KeepClaims", "s3:PutObject"): Need(
        release.release_a_large_command,
        "queued, commands 0, claims 1",
        "scheduled, commands 1, claims 0",
        "no scheduled command of more than 16 KB is released",
    ),
    ("ReleaseRole", "KeepClaims", "s3:DeleteObject"): Need(
        release.release_a_cancelled_large_command,
        "cancelled, commands 0, claims 0",
        "cancelled, commands 0, claims 1",
        "the claim check that an interrupted release has put for a cancelled job is not deleted",
    ),
    # --- events
    ("WorkerRole", "TellEndsTogether", "sqs:SendMessageBatch"): Need(
        telling.end_a_job,
        "succeeded, 1 sent",
        "succeeded, returned, 0 sent",
        "on an emulator no webhook is notified of the end of a job, and its message is redelivered;"
        " AWS requires sqs:SendMessage",
    ),
    ("DeadLettersRole", "TellEndsTogether", "sqs:SendMessageBatch"): Need(
        telling.end_a_job_of_a_dead_letter,
        "failed, 1 sent",
        "failed, returned, 0 sent",
        "on an emulator no webhook is notified of an end by a dead letter; AWS requires sqs:SendMessage",
    ),
    ("TellRole", "ReceiveEvents", "sqs:ChangeMessageVisibility"): Need(
        telling.tell_again_soon_after_an_interruption,
        "returned, redelivered within 3 s",
        "returned, not redelivered within 3 s",
        "an interrupted message is redelivered only when the queue's visibility timeout ends, without a backoff",
        also_removed=("dynamodb:GetItem",),
    ),
    ("TellRole", "ReadJobs", "dynamodb:GetItem"): is_untold(telling.tell_of_an_item, "no webhook is notified"),
    ("TellRole", "ReadResults", "s3:GetObjectVersion"): is_untold(
        telling.tell_of_a_large_item, "no webhook is notified of a job with a result of more than 1 KB"
    ),
    ("TellRole", "ReadResults", "s3:GetObject"): is_untold(
        telling.tell_of_an_item_whose_version_has_expired,
        "a result is not sent once lifecycle has expired the version that the job names",
    ),
    ("TellRole", "ReadCollectionResults", "s3:GetObjectVersion"): is_untold(
        telling.tell_of_a_large_order,
        "no webhook is notified of a job with a result of more than 1 KB in another collection",
    ),
    ("TellRole", "ReadCollectionResults", "s3:GetObject"): is_untold(
        telling.tell_of_an_order_whose_version_has_expired,
        "a result in another collection is not sent once lifecycle has expired the version that the job names",
    ),
    ("TellRole", "StoreDeliveries", "dynamodb:GetItem"): is_untold(
        telling.tell_of_an_item, "no webhook is notified"
    ),
    ("TellRole", "StoreDeliveries", "dynamodb:BatchGetItem"): is_untold(
        telling.tell_again_of_an_item, "a message that is received again does not find what it has stored"
    ),
    ("TellRole", "StoreDeliveries", "dynamodb:Query"): is_untold(telling.tell_of_an_item, "no webhook is notified"),
    ("TellRole", "StoreDeliveries", "dynamodb:PutItem"): is_untold(
        telling.tell_of_an_item, "no webhook is notified"
    ),
    ("TellRole", "PutOnBus", "events:PutEvents"): Need(
        telling.put_on_the_bus,
        "acknowledged",
        "returned",
        "with `EventBus`, no event is put on the bus;"
        " webhooks are notified of the first event of each document only",
    ),
    ("TellRole", "AnswerTasksOnEmulator", "states:SendTaskSuccess"): Need(
        tasks.answer_a_task_with_a_success,
        "acknowledged, SUCCEEDED",
        "acknowledged, RUNNING",
        "on an emulator no task learns that its job has succeeded; AWS requires a grant for the state machine",
    ),
    ("TellRole", "AnswerTasksOnEmulator", "states:SendTaskFailure"): Need(
        tasks.answer_a_task_with_a_failure,
        "acknowledged, FAILED",
        "acknowledged, RUNNING",
        "on an emulator no task learns that its job has failed; AWS requires a grant for the state machine",
    ),
    ("TellRole", "WakeLinesTogether", "sqs:SendMessageBatch"): Need(
        telling.tell_of_an_item,
        "acknowledged, 1 stored, 1 on the queue",
        "returned, 1 stored, 0 on the queue",
        "on an emulator no stored event is delivered; AWS requires sqs:SendMessage",
    ),
    ("DeliverRole", "ReceiveDeliveries", "sqs:DeleteMessage"): Need(
        telling.deliver_an_event,
        _DELIVERED,
        _DELIVERED.replace("0 on the queue", "1 on the queue"),
        "the message of a receiver that has answered waits for the slowest one of its batch",
    ),
    ("DeliverRole", "ReceiveDeliveries", "sqs:ChangeMessageVisibility"): Need(
        telling.deliver_again_soon_after_an_interruption,
        "returned, redelivered within 3 s",
        "returned, not redelivered within 3 s",
        "an interrupted delivery is redelivered only when the queue's visibility timeout ends, without a backoff",
        also_removed=("dynamodb:GetItem",),
    ),
    ("DeliverRole", "ReceiveLaterDeliveries", "sqs:ChangeMessageVisibility"): Need(
        telling.wake_a_line_again_soon_after_an_interruption,
        "returned, redelivered within 3 s",
        "returned, not redelivered within 3 s",
        "an interrupted message is redelivered only when the queue's visibility timeout ends, without a backoff",
        also_removed=("sqs:SendMessageBatch",),
    ),
    ("DeliverRole", "KeepDeliveries", "dynamodb:GetItem"): Need(
        telling.deliver_an_event, _DELIVERED, _NOT_SENT, "no event is delivered"
    ),
    ("DeliverRole", "KeepDeliveries", "dynamodb:Query"): Need(
        telling.deliver_an_event, _DELIVERED, _NOT_SENT, "no event is delivered"
    ),
    ("DeliverRole", "KeepDeliveries", "dynamodb:PutItem"): Need(
        telling.fail_to_deliver,
        "acknowledged, 1 later, failing",
        "returned, 1 later, not failing",
        "no webhook is paused whose receiver fails for days",
    ),
    ("DeliverRole", "KeepDeliveries", "dynamodb:UpdateItem"): Need(
        telling.deliver_an_event,
        _DELIVERED,
        "returned, pending, 1 sent, 1 in line, 1 on the queue",
        "every event is delivered again and again",
    ),
    ("DeliverRole", "KeepDeliveries", "dynamodb:DeleteItem"): Need(
        telling.deliver_an_event,
        _DELIVERED,
        "returned, delivered, 1 sent, 1 in line, 1 on the queue",
        "nothing behind the first event of a line is delivered",
    ),
    ("DeliverRole", "WakeLinesTogether", "sqs:SendMessageBatch"): Need(
        telling.wake_a_line_that_is_due,
        "acknowledged, 1 on the queue",
        "returned, 0 on the queue",
        "on an emulator no failed delivery is tried again; AWS requires sqs:SendMessage",
    ),
    ("DeliverRole", "Wait", "sqs:SendMessage"): Need(
        telling.fail_to_deliver,
        "acknowledged, 1 later, failing",
        "returned, 0 later, not failing",
        "a failed delivery is tried again without its pause",
    ),
}
