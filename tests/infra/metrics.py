"""The custom metrics that there are: what an alarm or the dashboard names must be one of them.

In the namespace `jobpipe`, with the dimensions service and stage; those in REASONS also with a third, reason.
"""

NAMESPACE = "jobpipe"

UNITS = {
    ("jobpipe-api", "Accepted"): "Count",
    ("jobpipe-api", "RequestTime"): "Milliseconds",
    ("jobpipe-api", "Unavailable"): "Count",
    ("jobpipe-api", "Faults"): "Count",
    ("jobpipe-worker", "BatchSize"): "Count",
    ("jobpipe-worker", "QueueDelay"): "Milliseconds",
    ("jobpipe-worker", "AttemptTime"): "Milliseconds",
    ("jobpipe-worker", "Succeeded"): "Count",
    ("jobpipe-worker", "Failed"): "Count",
    ("jobpipe-worker", "Interrupted"): "Count",
    ("jobpipe-worker", "Parked"): "Count",
    ("jobpipe-dead-letters", "Parked"): "Count",
    ("jobpipe-dead-letters", "DeadLetters"): "Count",
}

REASONS = {
    "Failed": {
        "name-taken",
        "not-found",
        "version-mismatch",
        "too-large",
        "attempts-spent",
        "command-unreadable",
    },
    "Interrupted": {"outage", "fault"},
}
