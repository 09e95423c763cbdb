"""The names of a stage's resources."""

FUNCTIONS = ("api", "worker", "dead-letters", "release", "events", "deliveries")
"""All functions that a stage may have. The last two exist only with Events=on."""


def foundation_stack(stage: str) -> str:
    """The stack of tables, buckets and queues."""
    return f"jobpipe-{stage}-foundation"


def operations_stack(stage: str) -> str:
    """The stack of alarms and dashboard."""
    return f"jobpipe-{stage}-operations"


def app_stack(stage: str, app: str) -> str:
    """The stack of a Lambda; `app` is `api` or `worker`."""
    return f"jobpipe-{stage}-{app}"


def api_name(stage: str) -> str:
    """The name of the REST API and of its usage plan."""
    return f"jobpipe-{stage}"


def key_prefix(stage: str) -> str:
    """The prefix of the names of this stage's API keys only, since no stage has a dot in its name."""
    return f"jobpipe-{stage}."


def key_name(stage: str, owner: str) -> str:
    """The name of each of an owner's API keys."""
    return f"{key_prefix(stage)}{owner}"


def log_group_prefix(stage: str) -> str:
    """The prefix of the Lambdas' log groups; those of the stage `team-1` also have the prefix of `team`."""
    return f"/aws/lambda/jobpipe-{stage}-"


def log_groups(stage: str) -> dict[str, str]:
    """Return the functions by the names of their log groups."""
    return {f"{log_group_prefix(stage)}{function}": function for function in FUNCTIONS}
