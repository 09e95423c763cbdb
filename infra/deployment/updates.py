"""Carries out the steps of a deployment."""

from dataclasses import dataclass, field
from pathlib import Path

from infra.deployment.adoption import plan_adoption
from infra.deployment.artifacts import code_key, upload
from infra.deployment.emulation import add_missing_indexes, delete_changed_api
from infra.deployment.readiness import wait_for_key, wait_until_healthy
from infra.keys.api_keys import ApiKeys
from infra.packaging.package import Package
from infra.settings import LOCAL_STAGE
from infra.stacks.stage_stacks import PlannedStack, StageStacks, Values
from infra.stage.stage_file import Deployment, earlier_deployment, write_deployment
from infra.targets.target import Target

_RESOURCES = {  # entries of the stage file, and the outputs that they come from
    "jobs_table": "JobsTable",
    "items_table": "ItemsTable",
    "names_table": "NamesTable",
    "documents_bucket": "DocumentsBucket",
    "commands_queue_url": "CommandsQueueUrl",
    "dead_letters_queue_url": "DeadLettersQueueUrl",
    "parked_queue_url": "ParkedQueueUrl",
    "usage_plan": "UsagePlanId",
    "api_function": "ApiFunction",
    "api_log_group": "ApiLogGroup",
    "worker_function": "WorkerFunction",
    "dead_letters_function": "DeadLettersFunction",
}


@dataclass
class StackUpdates:
    """The executor that deploys."""

    target: Target
    stage: str
    state_dir: Path
    overrides: Values
    stage_stacks: StageStacks
    deployment: Deployment = field(init=False)  # set by the step of the stage file

    def foundation(self, stack: PlannedStack, given: Values) -> Values:
        self.import_remaining(stack)
        outputs = self.stage_stacks.deploy(stack, given).outputs
        if self.target.is_emulator:
            add_missing_indexes(self.target.client("dynamodb"), stack.template, outputs, self.stage_stacks.progress)
        return outputs

    def app(self, stack: PlannedStack, package: Package, given: Values) -> Values:
        bucket = given["ArtifactsBucket"]
        version = upload(
            self.target.client("s3"), package, bucket, self.stage_stacks.progress, self.target.poll_seconds
        )
        code = {"CodeKey": code_key(package), "CodeVersion": version}
        if package.app == "api" and self.target.is_emulator:
            delete_changed_api(
                self.target, self.stage, stack.template, self.stage_stacks.stacks, self.stage_stacks.progress
            )
        if package.app == "api" and not self.target.is_emulator:
            self._report_missing_access_logs(stack, given | code)
        return self.stage_stacks.deploy(stack, given | code).outputs

    def stage_file(self, outputs: Values) -> None:
        self.deployment = Deployment(
            stage=self.stage,
            target=self.target.name,
            base_url=self.target.base_url(outputs),
            api_key=self.api_key(outputs["UsagePlanId"]),
            region=self.target.region,
            endpoint_url=self.target.endpoint_url,
            resources={name: outputs[output] for name, output in _RESOURCES.items()},
        )
        write_deployment(self.state_dir, self.deployment)

    def operations(self, stack: PlannedStack, given: Values) -> None:
        made = self.stage_stacks.deploy(stack, given)
        if made.changed and self.target.is_emulator:
            self.stage_stacks.progress.say(
                "an emulator gives the dashboard and the alarms no data: make stats shows the state of the stage"
            )

    def wait(self) -> None:
        wait_until_healthy(self.deployment.base_url)
        if not wait_for_key(self.deployment.base_url, self.deployment.api_key, good=True):
            self.stage_stacks.progress.say("API Gateway does not accept the key yet; this can take some minutes")

    def import_remaining(self, stack: PlannedStack) -> None:
        """Import what remains of a foundation whose stack was deleted by hand, before anything is created."""
        if self.stage == LOCAL_STAGE or self.stage_stacks.stacks.remove_unusable(stack.name):
            return
        adoption = plan_adoption(self.target, self.stage, stack.template, self.overrides)
        if adoption is None:
            return
        for line in adoption.notes():
            self.stage_stacks.progress.say(f"{stack.name}: {line}")
        self.stage_stacks.stacks.adopt(stack.name, adoption.template, adoption.parameters, adoption.to_import)

    def api_key(self, usage_plan: str) -> str:
        """Return the key for the stage file, and report keys that the gateway does not accept."""
        keys = ApiKeys(self.target.client("apigateway"), self.stage, usage_plan)
        if self.target.is_emulator:  # AWS never replaces the plan: a key that is not in it is not meant to be
            keys.admit_all()
        for key in keys.left_out():
            self.stage_stacks.progress.say(
                f"API key {key.key_id}, {key.name!r}, is not in the stage's usage plan: make keys"
            )
        earlier = earlier_deployment(self.state_dir, self.stage)
        return keys.operators_key(earlier.api_key if earlier else None, forgets=self.target.is_emulator).value

    def _report_missing_access_logs(self, stack: PlannedStack, parameters: Values) -> None:
        if self.stage_stacks.planned(stack, parameters)["AccessLogs"] == "false":
            self.stage_stacks.progress.say("access logs are off: see docs/operations.md#access-logs")
