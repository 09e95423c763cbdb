"""Whether a stage that is on AWS is about to be changed where it is."""

from urllib.parse import urlsplit

from infra.errors import OperatorError
from infra.stage.stage_file import Deployment
from infra.targets.target import Target


def check_place(target: Target, earlier: Deployment | None) -> None:
    """Refuses another region or account than the one that the stage was deployed to from here.

    There it would be made a second time, or "destroyed" without a trace while the stage itself goes on.
    """
    if earlier is None or earlier.endpoint_url is not None or target.endpoint_url is not None:
        return
    remedy = f"or move .jobpipe/{earlier.stage}.json away, if another stage of this name is meant"
    if earlier.region != target.region:
        raise OperatorError(
            f"the stage {earlier.stage} is in {earlier.region}, not in {target.region}: "
            f"set AWS_REGION={earlier.region}, {remedy}"
        )
    account = _account_of(earlier)
    if account is not None and account != target.account():
        raise OperatorError(
            f"the stage {earlier.stage} is in the account {account}, which these credentials are not of: "
            f"use others, {remedy}"
        )


def _account_of(deployment: Deployment) -> str | None:
    """As the URL of a queue on AWS tells it."""
    account = urlsplit(deployment.resources.get("commands_queue_url", "")).path.strip("/").partition("/")[0]
    return account or None
