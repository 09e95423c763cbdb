"""The stacks of a stage."""


def foundation_stack(stage: str) -> str:
    """What holds state."""
    return f"jobpipe-{stage}-foundation"


def app_stack(stage: str, app: str) -> str:
    """A Lambda and what belongs to it: `api` or `worker`."""
    return f"jobpipe-{stage}-{app}"


def api_name(stage: str) -> str:
    """The REST API, its key and its usage plan."""
    return f"jobpipe-{stage}"


def log_group_prefix(stage: str) -> str:
    """What the names of both Lambdas' log groups begin with."""
    return f"/aws/lambda/jobpipe-{stage}-"
