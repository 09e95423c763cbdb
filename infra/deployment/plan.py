"""Brings a stage to what the sources say: foundation, zips, then worker, API and operations."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import requests
import tenacity

from infra.cli import http_calls
from infra.cli.progress import Progress
from infra.deployment.adoption import plan_adoption
from infra.deployment.api_emulation import make_way
from infra.deployment.artifacts import code_key, upload
from infra.deployment.concurrency import concurrency_problem
from infra.deployment.index_emulation import add_missing_indexes
from infra.deployment.retained import delete_remains
from infra.errors import OperatorError
from infra.keys.api_keys import ApiKeys
from infra.packaging.package import Package, package_all
from infra.settings import LOCAL_STAGE, Settings
from infra.stacks.change_sets import Stacks
from infra.stacks.shared_parameters import SharedParameters
from infra.stage.names import app_stack, foundation_stack, operations_stack
from infra.stage.stage_file import Deployment, earlier_deployment, write_deployment
from infra.targets.target import Target
from infra.templates.parameter_values import check_values
from infra.templates.sources import AWS_OWNED, Template, foundation_for, operations, read_template
from jobpipe_client.http_errors import reason

HEALTH_SECONDS = 60
KEY_SECONDS = 60
KEY_ANSWERS = 3  # in a row: the gateway's machines learn of a key one after the other


@dataclass(frozen=True)
class Deployer:
    """One deployment of one stage into one target."""

    target: Target
    stage: str
    settings: Settings
    progress: Progress
    overrides: dict[str, str]  # parameters that the operator gave
    allow_replacement: bool = True  # of what holds state

    def up(self) -> Deployment:
        """Deploys, waits until the API answers, and leaves the stage file."""
        with ThreadPoolExecutor(1) as pool:
            packaging = pool.submit(package_all)
            if self.overrides or not self.target.endpoint_url:  # before anything is changed
                self.check_overrides(packaging.result())
                self.check_encryption()
                self.check_concurrency(packaging.result())
            given, defaults = self.parameters()
            template = foundation_for(self.stage)
            shared = SharedParameters(self._stacks(), self.progress, defaults)
            stack = foundation_stack(self.stage)
            self.adopt(stack, template)
            wanted = shared.given_to(stack, template, given)
            foundation = self._stacks().deploy(stack, template, wanted, defaults).outputs
            if self.target.endpoint_url:
                add_missing_indexes(self.target.client("dynamodb"), template, foundation, self.progress)
            packages = packaging.result()
        outputs: dict[str, str] = {}
        for app in ("worker", "api"):  # in this order: the API may queue only what the worker understands
            outputs |= self._deploy_app(packages[app], given | foundation, shared)
        deployment = self._describe(foundation, outputs, self.api_key(outputs["UsagePlanId"]))
        write_deployment(self.settings.state_dir, deployment)  # whatever comes now, the stage can be used
        stack, template = operations_stack(self.stage), operations()
        wanted = shared.given_to(stack, template, given | foundation)
        made = self._stacks().deploy(stack, template, wanted, defaults)
        if made.changed and self.target.endpoint_url:
            self.progress.say(
                "an emulator gives the dashboard and the alarms no data: make stats shows the state of the stage"
            )
        wait_until_healthy(deployment.base_url)
        if not wait_for_key(deployment.base_url, deployment.api_key, good=True):
            self.progress.say("API Gateway does not take the key yet; that may last some minutes")
        return deployment

    def adopt(self, stack: str, template: Template) -> None:
        """Import what remains of a foundation whose stack was deleted by hand, before anything is created."""
        if self.stage == LOCAL_STAGE or self._stacks().make_way(stack):
            return
        adoption = plan_adoption(self.target, self.stage, template, self.overrides)
        if adoption is None:
            return
        for line in adoption.notes():
            self.progress.say(f"{stack}: {line}")
        self._stacks().adopt(stack, adoption.template, adoption.parameters, adoption.to_import)

    def parameters(self) -> tuple[dict[str, str], dict[str, str]]:
        """What is given for every stack, and what is taken where a stack has no value yet."""
        return {"Stage": self.stage} | self.overrides, self.target.default_parameters(self.stage)

    def check_overrides(self, packages: dict[str, Package]) -> None:
        """Refuses what a template would refuse, and parameters that tell one stack of another."""
        foundation = foundation_for(self.stage)
        ours = set(self.overrides) & ({"Stage", "CodeKey", "CodeVersion"} | set(foundation["Outputs"]))
        if ours:
            raise OperatorError(f"{', '.join(sorted(ours))}: set by the deployment")
        apps = (read_template(package.template_path) for package in packages.values())
        check_values(self.overrides, [foundation, operations(), *apps])

    def check_encryption(self) -> None:
        """Refuses the way back to AWS's key: the roles would lose the one that documents still need."""
        held = self._stacks().outputs(foundation_stack(self.stage)).get("EncryptionKey", AWS_OWNED)
        if held != AWS_OWNED and self.overrides.get("Encryption") == AWS_OWNED:
            raise OperatorError(f"documents of {self.stage} are encrypted with its own key: there is no way back")

    def check_concurrency(self, packages: dict[str, Package]) -> None:
        """Refuse parameters that Lambda would refuse, and report a concurrency that the account does not have."""
        if self.target.endpoint_url:  # emulators have no limit
            return
        given, defaults = self.parameters()
        stack, template = app_stack(self.stage, "worker"), read_template(packages["worker"].template_path)
        planned = self._stacks().planned(stack, template, given, defaults)
        problem = concurrency_problem(self.target.client("lambda"), stack, planned)
        if problem:
            self.progress.say(problem)

    def _stacks(self) -> Stacks:
        cloudformation = self.target.client("cloudformation")
        return Stacks(
            cloudformation,
            self.progress,
            self.target.poll_seconds,
            allow_loss=self.allow_replacement,
            remove_remains=partial(delete_remains, self.target, self.progress),
        )

    def _deploy_app(self, package: Package, given: dict[str, str], shared: SharedParameters) -> dict[str, str]:
        s3, bucket = self.target.client("s3"), given["ArtifactsBucket"]
        version = upload(s3, package, bucket, self.progress, self.target.poll_seconds)
        code = {"CodeKey": code_key(package), "CodeVersion": version}
        template = read_template(package.template_path)
        if package.app == "api" and self.target.endpoint_url:
            make_way(self.target, self.stage, template, self._stacks(), self.progress)
        stack = app_stack(self.stage, package.app)
        wanted = shared.given_to(stack, template, given | code)
        if package.app == "api" and not self.target.endpoint_url:
            planned = self._stacks().planned(stack, template, wanted, shared.defaults)
            if planned["AccessLogs"] == "false":
                self.progress.say("access logs are off: see docs/operations.md#access-logs")
        return self._stacks().deploy(stack, template, wanted, shared.defaults).outputs

    def api_key(self, usage_plan: str) -> str:
        """The stage file's key; says which keys of the stage's name let nobody in."""
        keys = ApiKeys(self.target.client("apigateway"), self.stage, usage_plan)
        if self.target.endpoint_url:  # AWS never replaces the plan: a key that is not in it is not meant to be
            keys.admit_all()
        for key in keys.left_out():
            self.progress.say(f"API key {key.key_id}, {key.name!r}, is not in the stage's usage plan: make keys")
        earlier = earlier_deployment(self.settings.state_dir, self.stage)
        written_down = earlier.api_key if earlier else None
        return keys.operators_key(written_down, forgets=self.target.endpoint_url is not None).value

    def _describe(self, foundation: dict[str, str], outputs: dict[str, str], api_key: str) -> Deployment:
        return Deployment(
            stage=self.stage,
            target=self.target.name,
            base_url=self.target.base_url(outputs),
            api_key=api_key,
            region=self.target.region,
            endpoint_url=self.target.endpoint_url,
            resources={
                "jobs_table": foundation["JobsTable"],
                "items_table": foundation["ItemsTable"],
                "names_table": foundation["NamesTable"],
                "documents_bucket": foundation["DocumentsBucket"],
                "commands_queue_url": foundation["CommandsQueueUrl"],
                "dead_letters_queue_url": foundation["DeadLettersQueueUrl"],
                "parked_queue_url": foundation["ParkedQueueUrl"],
                "usage_plan": outputs["UsagePlanId"],
                "api_function": outputs["ApiFunction"],
                "api_log_group": outputs["ApiLogGroup"],
                "worker_function": outputs["WorkerFunction"],
                "dead_letters_function": outputs["DeadLettersFunction"],
            },
        )


def answers(base_url: str) -> bool:
    """Whether the API answers now."""
    try:
        return http_calls.get(f"{base_url}/health", timeout=5).ok
    except requests.RequestException:
        return False


def wait_until_healthy(base_url: str) -> None:
    """Returns when GET /health answers 200."""
    url = f"{base_url}/health"
    last = "no answer"

    def healthy() -> bool:
        nonlocal last
        try:
            response = http_calls.get(url, timeout=35)
        except requests.RequestException as error:
            last = reason(error)
            return False
        last = f"{response.status_code} {response.text[:200]}"
        return bool(response.ok)

    retrying = tenacity.Retrying(
        wait=tenacity.wait_exponential(multiplier=0.05, max=1),
        stop=tenacity.stop_after_delay(HEALTH_SECONDS),
        retry=tenacity.retry_if_result(lambda well: not well),
    )
    try:
        retrying(healthy)
    except tenacity.RetryError:
        raise OperatorError(f"{url} does not answer 200 but {last}") from None


def wait_for_key(base_url: str, api_key: str, *, good: bool, seconds: float = KEY_SECONDS) -> bool:
    """Whether the gateway takes the key, or refuses it, several times in a row: on AWS that may last a minute."""

    def as_wanted() -> bool:
        return all(_takes(base_url, api_key) is good for _ in range(KEY_ANSWERS))

    retrying = tenacity.Retrying(
        wait=tenacity.wait_exponential(multiplier=0.05, max=1),
        stop=tenacity.stop_after_delay(seconds),
        retry=tenacity.retry_if_result(lambda done: not done),
        retry_error_callback=lambda _: False,
    )
    return bool(retrying(as_wanted))


def _takes(base_url: str, api_key: str) -> bool | None:
    """Whether the gateway took the key, asked by a connection of its own; None if the answer does not tell."""
    url, headers = f"{base_url}/items?limit=1", {"x-api-key": api_key}
    try:
        status = http_calls.get(url, headers=headers, timeout=35, allow_redirects=False).status_code
    except requests.RequestException:
        return None
    if status == requests.codes.forbidden:
        return False
    taken = requests.codes.ok <= status < requests.codes.multiple_choices
    return True if taken or status == requests.codes.too_many_requests else None
