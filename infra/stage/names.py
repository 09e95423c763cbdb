"""The names of what a stage is made of."""

FUNCTIONS = ("api", "worker", "dead-letters")


def foundation_stack(stage: str) -> str:
    """What holds state."""
    return f"jobpipe-{stage}-foundation"


def operations_stack(stage: str) -> str:
    """Alarms and dashboard."""
    return f"jobpipe-{stage}-operations"


def app_stack(stage: str, app: str) -> str:
    """A Lambda and what belongs to it: `api` or `worker`."""
    return f"jobpipe-{stage}-{app}"


def api_name(stage: str) -> str:
    """The REST API and its usage plan."""
    return f"jobpipe-{stage}"


def key_prefix(stage: str) -> str:
    """What the names of the stage's API keys begin with, and of no other stage: none has a dot in its name."""
    return f"jobpipe-{stage}."


def key_name(stage: str, owner: str) -> str:
    """The name of each of an owner's API keys."""
    return f"{key_prefix(stage)}{owner}"


def log_group_prefix(stage: str) -> str:
    """What the names of the Lambdas' log groups begin with, and those of `team-1` where the stage is `team`."""
    return f"/aws/lambda/jobpipe-{stage}-"


def log_groups(stage: str) -> dict[str, str]:
    """The log group of each function, by the function's own part of its name."""
    return {f"{log_group_prefix(stage)}{function}": function for function in FUNCTIONS}
