"""Checks of a stage: the emulator's port, the credentials for AWS, the stage itself and its version."""

from __future__ import annotations

from botocore.config import Config

from infra.cli.aws_errors import LIBRARY_ERRORS, describe
from infra.emulator.server import Emulator
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE, Settings
from infra.stage.stage_file import Deployment, deployed_stages, read_deployment, stage_file
from infra.targets.boto_sessions import aws_session, check_credentials, make_client
from infra.targets.emulator_identity import UnusableEndpointError, identify
from jobpipe_client import Client, JobpipeError, ProblemError, __version__
from scripts.doctor.findings import Finding, State

_CALLS = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 1})


def check_emulator(settings: Settings) -> Finding:
    """Return what listens on the emulator's port."""
    url = settings.emulator_url
    try:
        found = identify(url)
    except UnusableEndpointError as error:
        remedy = "unset AWS_ENDPOINT_URL" if settings.endpoint_url else "choose a free port: JOBPIPE_PORT=..."
        return Finding("emulator", State.WRONG, str(error), remedy)
    running = Emulator(settings.state_dir, settings.port).status()
    if found is not None:
        return Finding("emulator", State.OK, f"{found} runs at {url}")
    if settings.endpoint_url:
        return Finding(
            "emulator", State.WRONG, f"nothing answers at {url} (AWS_ENDPOINT_URL)", "start it, or unset it"
        )
    if running is not None:
        where = f"the emulator of this checkout runs on port {running.port}"
        return Finding(
            "emulator", State.WRONG, f"{where}, not {settings.port}", "make stop, or the same JOBPIPE_PORT"
        )
    return Finding("emulator", State.NOTE, f"none runs; port {settings.port} is free", "make demo starts one")


def check_aws(settings: Settings, stage: str) -> Finding:
    """Return the account of the credentials; they are needed only for stages on AWS."""
    needed = State.WRONG if stage != LOCAL_STAGE else State.NOTE
    remedy = "aws configure, or AWS_PROFILE=..." if needed is State.WRONG else "needed only to deploy to AWS"
    try:
        deployment = _deployment(settings, stage)
        session = aws_session(None if deployment is None or deployment.on_emulator else deployment.region)
        check_credentials(session)
        if session.get_credentials() is None:
            return _no_credentials(stage, remedy)
        if not session.region_name:
            return Finding("aws", needed, "the credentials have no region", "set AWS_REGION")
        if stage == LOCAL_STAGE:  # an AWS call was not asked for
            return Finding("aws", State.OK, f"there are credentials, for {session.region_name}")
        account = make_client(session, "sts", None, _CALLS).get_caller_identity()["Account"]
    except OperatorError as error:
        return Finding("aws", needed, str(error), remedy)
    except LIBRARY_ERRORS as error:
        return Finding("aws", needed, describe(error), remedy)
    return Finding("aws", State.OK, f"account {account}, {session.region_name}")


def _no_credentials(stage: str, remedy: str) -> Finding:
    if stage == LOCAL_STAGE:
        return Finding("aws", State.OK, "no credentials, and a local stage needs none")
    return Finding("aws", State.WRONG, "there are no credentials", remedy)


def check_stage(settings: Settings, stage: str, *, is_used: bool, is_named: bool) -> Finding:
    """Return whether the stage responds, accepts the key in its file, and has the version of this checkout.

    `is_used` says whether commands would go to this stage. Then a stopped emulator is wrong, and, if `is_named`
    says that the caller has named the stage, a stage that is not deployed is wrong too.
    """
    deploy = "make demo, or make deploy-local" if stage == LOCAL_STAGE else f"make deploy STAGE={stage}"
    try:
        deployment = read_deployment(settings.state_dir, stage)
    except OperatorError as error:
        is_damaged = stage_file(settings.state_dir, stage).exists()
        state = State.WRONG if is_damaged or (is_used and is_named) else State.NOTE
        others = [] if is_damaged else deployed_stages(settings.state_dir)
        more = f", or name a deployed stage: {', '.join(others)}" if others else ""
        return Finding("stage", state, str(error), f"{deploy}{more}")
    try:
        with Client(deployment.base_url, deployment.api_key, request_timeout=10) as client:
            version = client.health().get("version")
            client.stats()
    except ProblemError as error:
        return Finding("stage", State.WRONG, f"{stage} returns {error}", f"a new key: make rotate-key, or {deploy}")
    except JobpipeError as error:
        if deployment.on_emulator and _is_gone(deployment):
            state = State.WRONG if is_used else State.NOTE
            return Finding("stage", state, f"the emulator of {stage} is no longer running", deploy)
        return Finding("stage", State.WRONG, f"{stage} does not respond: {error}", deploy)
    where = f"{stage} responds at {deployment.base_url}"
    if version != __version__:
        return Finding("stage", State.NOTE, f"{where}, with version {version}; this is {__version__}", deploy)
    return Finding("stage", State.OK, f"{where}, version {version}")


def _deployment(settings: Settings, stage: str) -> Deployment | None:
    return read_deployment(settings.state_dir, stage) if stage_file(settings.state_dir, stage).exists() else None


def _is_gone(deployment: Deployment) -> bool:
    try:
        return identify(deployment.endpoint_url or "") is None
    except UnusableEndpointError:
        return False
