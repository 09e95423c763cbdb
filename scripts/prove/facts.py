"""Reads a stage's settings and limits from its functions, its usage plan and its tables; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.errors import OperatorError
from infra.stage.pause import read_paused_at
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.limits import VISIBILITY_FACTOR
from jobpipe_client import Client, JobpipeError
from scripts.stage.aws import StageAws

_TABLES = ("jobs_table", "items_table", "names_table", "collections_table", "lookups_table")


@dataclass(frozen=True)
class Facts:
    """A stage's settings and limits, which determine what can be tried."""

    stage: str
    target: str  # embedded, localstack or aws
    region: str
    version: str
    events: bool
    loopback_webhooks: bool
    owner_rate: float  # commands of an owner per second; 0 for no limit
    key_rate: float  # requests with a key per second
    quota: int  # requests with a key in the period of the quota; 0 for no quota
    worker_timeout: float  # seconds
    table_bytes: int  # of all tables that an audit reads
    rows: int  # in them; both are up to six hours old on AWS

    @property
    def on_aws(self) -> bool:
        return self.target == "aws"

    @property
    def redelivery(self) -> float:
        """The maximum time in seconds until the message of a dead worker is delivered again."""
        return self.worker_timeout * VISIBILITY_FACTOR


def read_facts(stage: StageAws) -> Facts:
    """Return the facts; raise OperatorError if the stage is paused, or does not respond."""
    paused_at = read_paused_at(stage.target.client("dynamodb"), stage.resource("collections_table"))
    name = stage.deployment.stage
    if paused_at is not None:
        raise OperatorError(
            f"the stage {name!r} has been paused since {rfc3339(paused_at)}, and no job would end: "
            f"make resume STAGE={name}"
        )
    api, worker = (_environment(stage, stage.resource(each)) for each in ("api_function", "worker_function"))
    plan = stage.target.client("apigateway").get_usage_plan(usagePlanId=stage.resource("usage_plan"))
    sizes = [_size(stage, stage.resource(table)) for table in _TABLES]
    return Facts(
        stage=name,
        target=stage.deployment.target,
        region=stage.deployment.region,
        version=_version(stage),
        events=api.get("EVENTS") == "on",
        loopback_webhooks=api.get("LOOPBACK_WEBHOOKS") == "on",
        owner_rate=float(api.get("OWNER_RATE", 0)),
        key_rate=float(plan.get("throttle", {}).get("rateLimit", 0)),
        quota=int(plan.get("quota", {}).get("limit", 0)),
        worker_timeout=float(worker.get("WORKER_TIMEOUT", 30)),
        table_bytes=sum(size for size, _ in sizes),
        rows=sum(rows for _, rows in sizes),
    )


def _environment(stage: StageAws, function: str) -> Mapping[str, str]:
    found = stage.target.client("lambda").get_function_configuration(FunctionName=function)
    variables: Mapping[str, str] = found["Environment"]["Variables"]
    return variables


def _size(stage: StageAws, table: str) -> tuple[int, int]:
    found = stage.target.client("dynamodb").describe_table(TableName=table)["Table"]
    return int(found.get("TableSizeBytes", 0)), int(found.get("ItemCount", 0))


def _version(stage: StageAws) -> str:
    """Return the deployed version, by requests that also show that the stage accepts its key."""
    try:
        with Client(stage.deployment.base_url, stage.deployment.api_key) as client:
            client.stats()
            return str(client.health().get("version", "unknown"))
    except JobpipeError as error:
        raise OperatorError(f"the stage {stage.deployment.stage!r} does not respond: {error}") from None
