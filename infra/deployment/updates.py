"""The executor that deploys: it updates the stacks of a stage and writes the stage file."""

from dataclasses import dataclass, field
from pathlib import Path

from infra.cli.progress import Progress
from infra.deployment.adoption import plan_adoption, plan_return_of
from infra.deployment.artifacts import code_key, upload
from infra.deployment.emulation import add_missing_indexes, delete_changed_api
from infra.deployment.function_code import restore_code
from infra.deployment.indexes import steps_before
from infra.deployment.look_ups import LookUps
from infra.deployment.pauses import Pauses
from infra.deployment.readiness import wait_for_key, wait_until_healthy
from infra.deployment.served import Served
from infra.keys.api_keys import ApiKeys
from infra.packaging.package import Package
from infra.settings import LOCAL_STAGE
from infra.stacks.stage_stacks import PlannedStack, StageStacks, Values
from infra.stage.stage_file import Deployment, earlier_deployment, write_deployment
from infra.targets.target import Target

# The resources in the stage file, and the stack outputs that contain their names.
_OUTPUTS_OF_RESOURCES = {
    "jobs_table": "JobsTable",
    "items_table": "ItemsTable",
    "names_table": "NamesTable",
    "collections_table": "CollectionsTable",
    "lookups_table": "LookupsTable",
    "documents_bucket": "DocumentsBucket",
    "commands_queue_url": "CommandsQueueUrl",
    "dead_letters_queue_url": "DeadLettersQueueUrl",
    "parked_queue_url": "ParkedQueueUrl",
    "usage_plan": "UsagePlanId",
    "api_function": "ApiFunction",
    "api_log_group": "ApiLogGroup",
    "worker_function": "WorkerFunction",
    "dead_letters_function": "DeadLettersFunction",
    "release_function": "ReleaseFunction",
}
# Those of a stage with Events=on.
_OUTPUTS_OF_EVENTS = {
    "webhooks_table": "WebhooksTable",
    "events_queue_url": "EventsQueueUrl",
    "deliveries_queue_url": "DeliveriesQueueUrl",
    "deliveries_later_queue_url": "DeliveriesLaterQueueUrl",
    "events_function": "TellFunction",
    "deliveries_function": "DeliverFunction",
}


@dataclass
class StackUpdates:
    """Does the work of each step of a plan (`infra.deployment.plan`)."""

    target: Target
    stage: str
    state_dir: Path
    overrides: Values
    stage_stacks: StageStacks
    deployment: Deployment = field(init=False)  # set by write_stage_file

    def check_served(self, served: Served, outputs: Values) -> None:
        """Refuse a folder without a collection that the stage serves. Nothing has been changed yet."""
        served.check(outputs)

    def record_served(self, served: Served, outputs: Values) -> None:
        """Record which collections are served now."""
        served.record(outputs)

    def check_look_ups(self, look_ups: LookUps, outputs: Values) -> None:
        """Refuse rules of collections that their documents cannot follow. Nothing has been changed yet."""
        look_ups.check(outputs)

    def deploy_foundation(self, stack: PlannedStack, parameters: Values) -> Values:
        """Deploy the tables, buckets and queues, and return their names."""
        self.import_orphaned_resources(stack, parameters)
        dynamodb = self.target.client("dynamodb")
        planned = self.stage_stacks.planned(stack, parameters)
        for template in steps_before(dynamodb, stack.template, planned):
            self.progress.say(f"{stack.name}: an update adds one index to a table, so there are several updates")
            self.stage_stacks.deploy(PlannedStack(stack.name, template), parameters)
        outputs = self.stage_stacks.deploy(stack, parameters).outputs
        if self.target.is_emulator:
            add_missing_indexes(dynamodb, stack.template, planned, outputs, self.progress)
        return outputs

    def prepare_look_ups(self, look_ups: LookUps, outputs: Values) -> None:
        """Record what must be known before the worker changes."""
        look_ups.prepare(outputs)

    def deploy_app(self, stack: PlannedStack, package: Package, parameters: Values) -> Values:
        """Upload the zip of a Lambda, deploy its stack, and return the stack's outputs."""
        s3 = self.target.client("s3")
        version = upload(s3, package, parameters["ArtifactsBucket"], self.progress, self.target.poll_seconds)
        parameters = parameters | {"CodeKey": code_key(package), "CodeVersion": version}
        if package.app == "api":
            self._prepare_api(stack, parameters)
        outputs = self.stage_stacks.deploy(stack, parameters).outputs
        if self.target.is_emulator:
            restore_code(self.target, stack.name, package, outputs, self.progress)
        return outputs

    def pause_to_keep(self, outputs: Values) -> Values:
        """Return the parameter by which the worker's stack leaves the stage paused, or not."""
        return Pauses(self.target, self.progress).parameter(outputs)

    def keep_pause(self, outputs: Values, pause: Values) -> None:
        """Follow a pause or its end during the deployment of the worker."""
        Pauses(self.target, self.progress).keep(outputs, pause)

    def write_stage_file(self, outputs: Values) -> None:
        """Write the file from which the client and the operators' commands learn about the stage."""
        self.deployment = Deployment(
            stage=self.stage,
            target=self.target.name,
            base_url=self.target.base_url(outputs),
            api_key=self.ensure_api_key(outputs["UsagePlanId"]),
            region=self.target.region,
            endpoint_url=self.target.endpoint_url,
            resources=_resources(outputs),
        )
        write_deployment(self.state_dir, self.deployment)

    def complete_look_ups(self, look_ups: LookUps, outputs: Values) -> None:
        """Record the rules of the collections, now that both Lambdas follow them."""
        look_ups.complete(outputs)

    def deploy_operations(self, stack: PlannedStack, parameters: Values) -> None:
        """Deploy the alarms and the dashboard."""
        result = self.stage_stacks.deploy(stack, parameters)
        if result.changed and self.target.is_emulator:
            self.progress.say("an emulator has no data for the dashboard and the alarms; use `make stats` instead")

    def wait_until_ready(self) -> None:
        """Wait until the API answers and accepts its key."""
        wait_until_healthy(self.deployment.base_url)
        if not wait_for_key(self.deployment.base_url, self.deployment.api_key, accepted=True):
            self.progress.say("API Gateway does not accept the key yet; this can take some minutes")

    @property
    def progress(self) -> Progress:
        return self.stage_stacks.progress

    def import_orphaned_resources(self, stack: PlannedStack, parameters: Values) -> None:
        """Import what remains of a foundation whose stack was deleted by hand, or has left resources out."""
        if self.stage == LOCAL_STAGE:
            return
        stacks = self.stage_stacks.stacks
        if stacks.remove_unusable(stack.name):
            taken_back = plan_return_of(self.target, self.stage, stack, self.stage_stacks, parameters)
            if taken_back:
                self.progress.say(f"{stack.name}: {taken_back.note}")
                stacks.take_back(stack.name, taken_back.template, taken_back.to_import)
            return
        adoption = plan_adoption(self.target, self.stage, stack.template, self.overrides)
        if adoption is None:
            return
        for line in adoption.notes():
            self.progress.say(f"{stack.name}: {line}")
        self.stage_stacks.stacks.adopt(stack.name, adoption.template, adoption.parameters, adoption.to_import)

    def ensure_api_key(self, usage_plan: str) -> str:
        """Return a valid key for the stage file; create one if there is none. Report keys that are not accepted."""
        keys = ApiKeys(self.target.client("apigateway"), self.stage, usage_plan)
        # An emulator gives a changed API a new usage plan, which lacks the stage's keys.
        if self.target.is_emulator:
            keys.admit_all()
        for key in keys.left_out():
            self.progress.say(
                f"API key {key.key_id}, {key.name!r}, is not in the stage's usage plan; run `make keys`"
            )
        earlier = earlier_deployment(self.state_dir, self.stage)
        key = keys.operators_key(earlier.api_key if earlier else None, keys_may_be_lost=self.target.is_emulator)
        return key.value

    def _prepare_api(self, stack: PlannedStack, parameters: Values) -> None:
        if self.target.is_emulator:
            delete_changed_api(self.target, self.stage, stack.template, self.stage_stacks.stacks, self.progress)
        elif self.stage_stacks.planned(stack, parameters)["AccessLogs"] == "false":
            self.progress.say("access logs are off: see docs/operations.md#access-logs")


def _resources(outputs: Values) -> dict[str, str]:
    """Return the names of the stage's resources from the outputs of its stacks."""
    resources = {name: outputs[output] for name, output in _OUTPUTS_OF_RESOURCES.items()}
    return resources | {name: outputs[output] for name, output in _OUTPUTS_OF_EVENTS.items() if output in outputs}
