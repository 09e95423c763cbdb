"""Gives operators' commands access to a deployed stage: AWS clients, and the names of the resources."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.config import Config

from infra.errors import OperatorError
from infra.settings import check_stage, read_settings
from infra.stage.stage_file import Deployment, read_deployment
from infra.targets.boto_sessions import make_client
from infra.targets.target import Target, target_of
from jobpipe.runtime.aws import AwsClients

CALL_TIMEOUT = 20.0
"""Seconds for an attempt of a call: a page of a scan is large, and an operator's connection may be slow."""


@dataclass(frozen=True)
class StageAws:
    """A stage as this checkout last deployed it."""

    deployment: Deployment
    target: Target
    clients: AwsClients  # for the target's session and endpoint

    def resource(self, name: str) -> str:
        """Return a resource's name or URL. Raise OperatorError if the deployment is older than the resource."""
        try:
            return self.deployment.resources[name]
        except KeyError:
            raise OperatorError(
                f"the stage {self.deployment.stage!r} was deployed without {name}: deploy it again"
            ) from None

    def job_retention(self) -> timedelta:
        """Return how long an ended job can be read, from the worker's environment."""
        name = self.resource("worker_function")
        function = self.target.client("lambda").get_function_configuration(FunctionName=name)
        return timedelta(days=float(function["Environment"]["Variables"]["JOB_RETENTION_DAYS"]))

    @property
    def is_emulated(self) -> bool:
        return self.deployment.endpoint_url is not None


def open_stage(name: str | None) -> StageAws:
    """Open the stage `name`, by default JOBPIPE_STAGE, else local.

    Raise OperatorError if this checkout has not deployed the stage.
    """
    settings = read_settings()
    deployment = read_deployment(settings.state_dir, check_stage(name or settings.stage))
    target = target_of(deployment)

    def make(service: str, *, config: Config) -> Any:
        return make_client(target.session, service, target.endpoint_url, config)

    return StageAws(deployment, target, AwsClients(CALL_TIMEOUT, make))
