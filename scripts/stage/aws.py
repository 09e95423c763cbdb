"""A deployed stage's AWS for operators' commands: clients, the names of its resources, errors of one line."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from botocore.config import Config

from infra.errors import OperatorError
from infra.settings import check_stage, read_settings
from infra.stage.stage_file import Deployment, read_deployment
from infra.targets.boto_sessions import make_client
from infra.targets.target import Target, target_of
from jobpipe.domain.errors import Unavailable
from jobpipe.runtime.aws import AwsClients

CALL_TIMEOUT = 20.0
"""Seconds of one try of one call: a page of a scan is large, and an operator's line may be slow."""


@dataclass(frozen=True)
class StageAws:
    """A stage as it was last deployed from here."""

    deployment: Deployment
    target: Target
    clients: AwsClients  # bound to the target

    def resource(self, name: str) -> str:
        """The name or URL of a resource; OperatorError if the deployment is older than the resource."""
        try:
            return self.deployment.resources[name]
        except KeyError:
            raise OperatorError(
                f"the stage {self.deployment.stage!r} was deployed without {name}: deploy it again"
            ) from None

    def job_retention(self) -> timedelta:
        """How long an ended job can be read, as the worker has it."""
        name = self.resource("worker_function")
        function = self.target.client("lambda").get_function_configuration(FunctionName=name)
        return timedelta(days=float(function["Environment"]["Variables"]["JOB_RETENTION_DAYS"]))

    @property
    def is_emulated(self) -> bool:
        return self.deployment.endpoint_url is not None


def open_stage(name: str | None) -> StageAws:
    """The stage of this name, else JOBPIPE_STAGE, else local; OperatorError if it was not deployed from here."""
    settings = read_settings()
    deployment = read_deployment(settings.state_dir, check_stage(name or settings.stage))
    target = target_of(deployment)

    def make(service: str, *, config: Config) -> Any:
        return make_client(target.session, service, target.endpoint_url, config)

    return StageAws(deployment, target, AwsClients(CALL_TIMEOUT, make))


def add_stage_argument(parser: argparse.ArgumentParser) -> None:
    """`--stage`, the same for every command."""
    parser.add_argument("--stage", help="the deployed stage (default: JOBPIPE_STAGE, else local)")


def positive(text: str) -> int:
    """An argument that counts something."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


@contextmanager
def one_line_errors() -> Iterator[None]:
    """What the stores and the disk say, as errors of an operator."""
    try:
        yield
    except Unavailable as error:
        raise OperatorError(error.detail) from error
    except sqlite3.Error as error:
        raise OperatorError(f"the temporary file: {error} (SQLITE_TMPDIR names another folder)") from error
