"""Pauses the webhooks of an owner whose last key was revoked, and who can no longer change them."""

from typing import Any

from botocore.config import Config

from infra.errors import OperatorError
from infra.stage.stage_file import Deployment
from infra.targets.boto_sessions import make_client
from infra.targets.target import Target
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.pausing import pause
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks

_CALL_TIMEOUT = 20.0  # seconds until an AWS call is abandoned or retried


def pause_webhooks(owner: str, deployment: Deployment, target: Target) -> int:
    """Pause all webhooks of the owner, and return how many of them this call has paused."""
    table = deployment.resources.get("webhooks_table")
    if table is None:
        return 0

    def make(service: str, *, config: Config) -> Any:
        return make_client(target.session, service, target.endpoint_url, config)

    webhooks = DynamoDbWebhooks(AwsClients(_CALL_TIMEOUT, make), table)
    try:
        return sum(pause(each, webhooks) for each in webhooks.of_owner(owner))
    except Unavailable as outage:
        raise OperatorError(
            f"{owner} no longer has a key, but may still have webhooks that receive events: {outage.detail} "
            f"Pause them by make webhooks PAUSE={owner}"
        ) from outage
