"""The targets of a deployment: the embedded emulator, LocalStack or AWS."""

import platform
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.exceptions
import tenacity
from botocore.config import Config

from infra.cli.aws_errors import LIBRARY_ERRORS, describe, is_denied
from infra.emulator import Emulator
from infra.errors import OperatorError
from infra.settings import EMULATOR_REGION, LOCAL_STAGE, Settings, aws_region, python_runtime
from infra.stage.stage_file import Deployment
from infra.targets import compose
from infra.targets import emulator_identity as emulators
from infra.targets.boto_sessions import aws_session, check_credentials, emulator_session, make_client
from infra.targets.emulator_identity import UnusableEndpointError, identify

EMBEDDED, LOCALSTACK, AWS, AUTO = emulators.EMBEDDED, emulators.LOCALSTACK, "aws", "auto"
CHOICES = (AUTO, EMBEDDED, LOCALSTACK, AWS)
API_STAGE = "v1"  # as in api_lambda/.chalice/config.json
_NAMES = {EMBEDDED: "the embedded emulator", LOCALSTACK: "LocalStack"}
_LOCALSTACK_START_SECONDS = 180
_REQUIRED_ON_AWS = {"RestApiId": "", "RequireTls": "true", "LoopbackWebhooks": "off"}


@dataclass(frozen=True)
class Target:
    """An endpoint with CloudFormation and the services of a stage."""

    name: str
    region: str
    endpoint_url: str | None
    why: str
    session: boto3.Session = field(repr=False)

    @property
    def is_emulator(self) -> bool:
        return self.endpoint_url is not None

    @property
    def place(self) -> str:
        """The name for operators: on AWS with the account and the region."""
        if self.is_emulator:
            return f"{self.name} at {self.endpoint_url}"
        return f"AWS account {self.account()}, region {self.region}"

    @property
    def poll_seconds(self) -> float:
        return 0.2 if self.is_emulator else 2.0

    def client(self, service: str) -> Any:
        """Return a boto3 client of the target, which ignores AWS_ENDPOINT_URL."""
        settings = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5)
        return make_client(self.session, service, self.endpoint_url, settings)

    def account(self) -> str:
        """Return the id of the account. The call for it also checks the credentials."""
        return str(self.client("sts").get_caller_identity()["Account"])

    def check_parameters(self, given: dict[str, str]) -> None:
        """Refuse values that only an emulator may have if the target is AWS."""
        wrong = [name for name, value in _REQUIRED_ON_AWS.items() if given.get(name, value) != value]
        if wrong and not self.is_emulator:
            raise OperatorError(f"{', '.join(wrong)}: values other than the default are for emulators only")

    def with_arns(self, given: dict[str, str]) -> dict[str, str]:
        """Return the parameters with ARNs in place of the names of the event bus and of state machines."""
        bus, machines = given.get("EventBus", ""), given.get("TaskTokens", "")
        found = {}
        if bus:
            found["EventBus"] = self._arn("events", "event-bus/", bus)
        if machines:
            arns = [self._arn("states", "stateMachine:", each.strip()) for each in machines.split(",")]
            found["TaskTokens"] = ",".join(arns)
        return given | found

    def _arn(self, service: str, kind: str, name: str) -> str:
        """Return the ARN of a resource of this name in this account and region; an ARN is returned as it is."""
        if not name or name.startswith("arn:"):
            return name
        partition = self.session.get_partition_for_region(self.region)
        return f"arn:{partition}:{service}:{self.region}:{self.account()}:{kind}{name}"

    def check_location(self, earlier: Deployment | None) -> None:
        """Refuse a region or account other than where this checkout has deployed the stage.

        Otherwise the stage would be created twice, or reported as destroyed although it still exists elsewhere.
        """
        if earlier is None or earlier.on_emulator or self.is_emulator:
            return
        remedy = f"or move .jobpipe/{earlier.stage}.json away, if another stage of this name is meant"
        if earlier.region != self.region:
            raise OperatorError(
                f"the stage {earlier.stage} is in {earlier.region}, not in {self.region}: "
                f"set AWS_REGION={earlier.region}, {remedy}"
            )
        queue_url = earlier.resources.get("commands_queue_url", "")  # https://sqs.region.amazonaws.com/account/name
        account = urlsplit(queue_url).path.strip("/").partition("/")[0]
        if account and account != self.account():
            raise OperatorError(
                f"the stage {earlier.stage} is in the account {account}, which these credentials do not belong to: "
                f"use other credentials, {remedy}"
            )

    def base_url(self, outputs: dict[str, str]) -> str:
        """Return the URL of the API from its stack's outputs, since some partitions have another domain."""
        if not self.is_emulator:
            return outputs["EndpointURL"].rstrip("/")
        return f"{self.endpoint_url}/_aws/execute-api/{outputs['RestAPIId']}/{API_STAGE}"

    def default_parameters(self, stage: str) -> dict[str, str]:
        """Return this target's defaults for parameters. The templates' own defaults are for AWS."""
        if not self.is_emulator:
            return {"AccessLogs": access_logs(self.client("apigateway"))}
        return {
            "Runtime": python_runtime() if self.name == EMBEDDED else "python3.11",
            "Architecture": "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64",
            "WorkerTimeout": "5",  # so that a failed attempt is repeated within seconds
            "PointInTimeRecovery": "false",
            "DeletionProtection": "false",
            "RequireTls": "false",
            "JobLists": "on",
            "Events": "on",
            "LoopbackWebhooks": "on",  # a receiver may run beside the emulator
            "RestApiId": f"jobpipe{stage.replace('-', '')}",
            "RateLimit": "1000",
            "BurstLimit": "2000",
            "AccessLogs": "false",  # emulators write no access logs
        }


def access_logs(apigateway: Any) -> str:
    """Return "true" if the account is known to let API Gateway write access logs, else "false"."""
    try:
        return "true" if apigateway.get_account().get("cloudwatchRoleArn") else "false"
    except botocore.exceptions.ClientError as error:
        if not is_denied(error):
            raise
        return "false"


def find_target(requested: str, stage: str, settings: Settings, *, start: bool = True) -> Target | None:
    """Return the requested target. If no emulator is running, start one, or return None without `start`.

    Raise OperatorError if the target does not fit the stage, or if another service runs in its place.
    """
    if requested == AWS or (requested == AUTO and stage != LOCAL_STAGE):
        if stage == LOCAL_STAGE:
            raise OperatorError(
                f"{LOCAL_STAGE!r} is for emulators (make deploy-local); name a stage for AWS: STAGE=..."
            )
        return _aws()
    if stage != LOCAL_STAGE:
        raise OperatorError(f"emulators take the stage {LOCAL_STAGE!r} only, not {stage!r}")
    url = settings.emulator_url
    try:
        found = identify(url)
    except UnusableEndpointError as error:
        raise OperatorError(f"{error}; {_remedy(settings)}") from None
    if found:
        if requested not in {AUTO, found}:
            raise OperatorError(f"{_NAMES[found]} runs at {url}, not {_NAMES[requested]}; {_remedy(settings)}")
        if settings.keep:
            _check_keeps_data(found, settings)
        return _emulator(found, url, f"{_NAMES[found]} runs at {url}")
    if not start:
        return None
    if settings.endpoint_url:
        raise OperatorError(f"nothing answers at {url} (AWS_ENDPOINT_URL)")
    return _start(requested, settings)


def _check_keeps_data(found: str, settings: Settings) -> None:
    """Raise OperatorError if the running emulator does not keep its data."""
    running = Emulator(settings.state_dir, settings.port).status() if found == EMBEDDED else None
    if running is None or not running.keeps:
        raise OperatorError(f"{_NAMES[found]} is running and does not keep its data: stop it first, or omit KEEP")


def _remedy(settings: Settings) -> str:
    """Return what the operator can do if another service runs in place of the requested emulator."""
    if settings.endpoint_url:
        return "AWS_ENDPOINT_URL names it: unset the variable, or set it to LocalStack or MiniStack"
    return "choose a free port with JOBPIPE_PORT=..."


def target_of(deployment: Deployment) -> Target:
    """Return the target to which a stage was deployed."""
    why = "the stage was deployed there"
    if deployment.endpoint_url:
        return _emulator(deployment.target, deployment.endpoint_url, why)
    return Target(AWS, deployment.region, None, why, aws_session(deployment.region))


def _start(requested: str, settings: Settings) -> Target:
    if settings.keep and requested == LOCALSTACK:
        raise OperatorError("KEEP=yes is for the embedded emulator: LocalStack keeps no data")
    is_chosen = settings.keep or requested not in {AUTO, LOCALSTACK}
    reason = "it was requested" if is_chosen else compose.why_not(settings)
    if reason is None:
        with compose.starting(settings):
            wait_for_localstack(settings)
        return _emulator(LOCALSTACK, settings.emulator_url, "no emulator was running, and Docker can run it")
    if requested == LOCALSTACK:
        raise OperatorError(f"LocalStack is not running at {settings.emulator_url} and cannot be started: {reason}")
    Emulator(settings.state_dir, settings.port).start(keep=settings.keep)
    return _emulator(EMBEDDED, settings.emulator_url, reason)


def wait_for_localstack(settings: Settings) -> None:
    """Wait until LocalStack is healthy; raise OperatorError after three minutes."""
    retrying = tenacity.Retrying(
        wait=tenacity.wait_fixed(0.5),
        stop=tenacity.stop_after_delay(_LOCALSTACK_START_SECONDS),
        # while LocalStack starts, its port may accept and drop connections
        retry=tenacity.retry_if_result(lambda found: found != LOCALSTACK)
        | tenacity.retry_if_exception_type(OperatorError),
    )
    try:
        retrying(identify, settings.emulator_url)
    except tenacity.RetryError:
        raise OperatorError(
            f"LocalStack did not become healthy at {settings.emulator_url}"
            f" (its output: {settings.state_dir / 'localstack.log'})"
        ) from None


def _emulator(name: str, url: str, why: str) -> Target:
    return Target(name, EMULATOR_REGION, url, why, emulator_session(EMULATOR_REGION))


def _aws() -> Target:
    try:
        session = aws_session(aws_region())
        if not session.region_name:
            raise botocore.exceptions.NoRegionError
        check_credentials(session)
        target = Target(AWS, session.region_name, None, "it was requested", session)
        target.account()
    except LIBRARY_ERRORS as error:
        # Credentials that cannot read their own identity are not sufficient for a deployment.
        raise OperatorError(describe(error)) from None
    return target
