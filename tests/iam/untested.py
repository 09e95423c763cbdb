"""The grants whose need the emulator cannot show, and why AWS requires them."""

from __future__ import annotations

_POLLER = (
    "Lambda's poller needs it to {}. Without it AWS refuses the event source mapping; if it is removed later, {}."
    " The emulator's poller does not check the role"
)
_SETTINGS = "the mapping stops with an error about its role, and {}"
_LOGS = (
    "Lambda writes the function's log under its role. Without it the function works, but there are no log lines"
    " and no metrics, which are log lines too, so that no alarm fires. The emulator writes the log itself"
)
_KEY = (
    "granted only if the stage has a customer-managed key, which the emulator's services do not use."
    " Without it KMS denies the role, and {}"
)
_BATCHES = (
    "AWS requires it for SendMessageBatch. Without it {}."
    " An emulator requires an action of its own, sqs:SendMessageBatch"
)
_TRACES = (
    "Lambda sends the function's traces under its role. Without it the function works, but X-Ray's traces do not"
    " include it. The emulator records no traces"
)

_TASKS = (
    "for AWS an answer is a call of the state machine whose task waits. Without it no task learns that its job {}."
    " For the emulator it is a call of no resource, so that another grant is needed there"
)
UNTESTED: dict[tuple[str, str], str] = {
    ("ReceiveCommands", "sqs:ReceiveMessage"): _POLLER.format("receive commands", "every job stays queued"),
    ("ReceiveCommands", "sqs:GetQueueAttributes"): _POLLER.format(
        "read the queue's settings", _SETTINGS.format("every job stays queued")
    ),
    ("ReceiveDeadLetters", "sqs:ReceiveMessage"): _POLLER.format(
        "receive dead letters", "no job of a dead letter ends"
    ),
    ("ReceiveDeadLetters", "sqs:DeleteMessage"): _POLLER.format(
        "delete finished messages",
        "each is redelivered, for a job that has ended, until SQS drops it after 14 days",
    ),
    ("ReceiveDeadLetters", "sqs:GetQueueAttributes"): _POLLER.format(
        "read the queue's settings", _SETTINGS.format("no job of a dead letter ends")
    ),
    ("ReceiveEvents", "sqs:ReceiveMessage"): _POLLER.format("receive ends of jobs", "no webhook is notified"),
    ("ReceiveEvents", "sqs:DeleteMessage"): _POLLER.format(
        "delete finished messages", "each is redelivered, with no effect, until SQS drops it after 14 days"
    ),
    ("ReceiveEvents", "sqs:GetQueueAttributes"): _POLLER.format(
        "read the queue's settings", _SETTINGS.format("no webhook is notified")
    ),
    ("ReceiveDeliveries", "sqs:ReceiveMessage"): _POLLER.format("receive lines", "no event is delivered"),
    ("ReceiveDeliveries", "sqs:GetQueueAttributes"): _POLLER.format(
        "read the queue's settings", _SETTINGS.format("no event is delivered")
    ),
    ("ReceiveLaterDeliveries", "sqs:ReceiveMessage"): _POLLER.format(
        "receive lines that have waited", "no failed delivery is tried again"
    ),
    ("ReceiveLaterDeliveries", "sqs:DeleteMessage"): _POLLER.format(
        "delete finished messages", "each line is woken again and again until SQS drops the message after 14 days"
    ),
    ("ReceiveLaterDeliveries", "sqs:GetQueueAttributes"): _POLLER.format(
        "read the queue's settings", _SETTINGS.format("no failed delivery is tried again")
    ),
    ("MissResults", "s3:ListBucket"): (
        "with it S3 answers 404 for a result that is lost. Without it S3 answers 403, which is taken for an outage,"
        " so that the end of the job is never sent, instead of without its result. The emulator answers 404 anyhow"
    ),
    ("SendCommands", "sqs:SendMessage"): _BATCHES.format("no scheduled command is released"),
    ("MissCommands", "s3:ListBucket"): (
        "with it S3 answers 404 for a command that was never stored. Without it S3 answers 403, which is taken for"
        " an outage, so that no other command of its document is released. The emulator answers 404 anyhow"
    ),
    ("TellEnds", "sqs:SendMessage"): _BATCHES.format(
        "no webhook is notified of the end of a job, and its message is redelivered"
    ),
    ("ReplayDeliveries", "sqs:SendMessage"): _BATCHES.format("no webhook can be tested, and no event replayed"),
    ("AnswerTasks", "states:SendTaskSuccess"): _TASKS.format("has succeeded"),
    ("AnswerTasks", "states:SendTaskFailure"): _TASKS.format("has failed or was cancelled"),
    ("WakeLines", "sqs:SendMessage"): _BATCHES.format("no stored event is delivered"),
    ("Log", "logs:CreateLogStream"): _LOGS,
    ("Log", "logs:PutLogEvents"): _LOGS,
    ("Trace", "xray:PutTraceSegments"): _TRACES,
    ("Trace", "xray:PutTelemetryRecords"): _TRACES,
    ("UseTheKey", "kms:Decrypt"): _KEY.format(
        "no message is sent or received, and no table or document is read: the API answers 503, and no job ends"
    ),
    ("UseTheKey", "kms:GenerateDataKey"): _KEY.format(
        "no message is sent, and no document or claim check is put: no command is accepted, no command that writes"
        " succeeds, and no message is parked"
    ),
}
"""By Sid and action: the grants whose need the emulator cannot show, and why AWS requires them."""

ON_EMULATORS = {"AnswerTasksOnEmulator"}
"""The statements that no stage on AWS has, beside ones for the same calls that an emulator does not use."""
