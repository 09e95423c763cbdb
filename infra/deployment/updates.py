"""The executor that deploys: it updates the stacks of a stage, and writes the stage file."""

from dataclasses import dataclass, field
from pathlib import Path

from infra.cli.progress import Progress
from infra.deployment.adoption import plan_adoption, plan_reimport_into
from infra.deployment.artifacts import code_key, upload
from infra.deployment.collection_indexes import CollectionIndexes
from infra.deployment.emulation import add_missing_indexes, delete_changed_api
from infra.deployment.function_code import restore_code
from infra.deployment.indexes import intermediate_templates
from infra.deployment.pauses import RecordedPause
from infra.deployment.readiness import wait_for_key, wait_until_healthy
from infra.deployment.served import ServedCollections
from infra.keys.api_keys import ApiKeys
from infra.packaging.package import Package
from infra.settings import LOCAL_STAGE
from infra.stacks.stage_stacks import PlannedStack, StageStacks, Values
from infra.stage.stage_file import Deployment, earlier_deployment, write_deployment
from infra.targets.target import Target

# The stack outputs with the names of the resources in the stage file.
_RESOURCE_OUTPUTS = {
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
# Only a stage with Events=on has these.
_EVENT_OUTPUTS = {
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

    def check_served_collections(self, served: ServedCollections, outputs: Values) -> None:
        """Refuse, before anything is changed, a folder that lacks a collection the stage serves."""
        served.check(outputs)

    def record_served_collections(self, served: ServedCollections, outputs: Values) -> None:
        """Record which collections are served now."""
        served.record(outputs)

    def check_indexes(self, indexes: CollectionIndexes, outputs: Values) -> None:
        """Refuse, before anything is changed, rules that existing documents cannot satisfy."""
        indexes.check(outputs)

    def deploy_foundation(self, stack: PlannedStack, parameters: Values) -> Values:
        """Deploy the tables, buckets and queues, and return their names."""
        self.import_orphaned_resources(stack, parameters)
        dynamodb = self.target.client("dynamodb")
        planned = self.stage_stacks.planned(stack, parameters)
        for template in intermediate_templates(dynamodb, stack.template, planned):
            self.progress.say(f"{stack.name}: an update can add only one index to a table; deploying in steps")
            self.stage_stacks.deploy(PlannedStack(stack.name, template), parameters)
        outputs = self.stage_stacks.deploy(stack, parameters).outputs
        if self.target.is_emulator:
            add_missing_indexes(dynamodb, stack.template, planned, outputs, self.progress)
        return outputs

    def prepare_indexes(self, indexes: CollectionIndexes, outputs: Values) -> None:
        """Record new and removed indexes before the worker changes."""
        indexes.prepare(outputs)

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

    def get_pause_parameter(self, outputs: Values) -> Values:
        """Return the parameter that keeps a paused stage paused when the worker's stack is deployed."""
        return RecordedPause(self.target, self.progress).parameter(outputs)

    def apply_pause(self, outputs: Values, pause: Values) -> None:
        """Apply a pause or a resumption that an operator requested while the worker was being deployed."""
        RecordedPause(self.target, self.progress).apply(outputs, pause)

    def write_stage_file(self, outputs: Values) -> None:
        """Write the file that tells the client and the operators' commands where the stage is."""
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

    def complete_indexes(self, indexes: CollectionIndexes, outputs: Values) -> None:
        """Record the rules of the collections, which both Lambdas follow now."""
        indexes.complete(outputs)

    def deploy_operations(self, stack: PlannedStack, parameters: Values) -> None:
        """Deploy the alarms and the dashboard."""
        result = self.stage_stacks.deploy(stack, parameters)
        if result.changed and self.target.is_emulator:
            self.progress.say("an emulator has no data for the dashboard and the alarms; use `make stats` instead")

    def wait_until_ready(self) -> None:
        """Wait until the API is healthy and accepts its key."""
        wait_until_healthy(self.deployment.base_url)
        if not wait_for_key(self.deployment.base_url, self.deployment.api_key, accepted=True):
            self.progress.say("API Gateway does not accept the key yet; this can take some minutes")

    @property
    def progress(self) -> Progress:
        return self.stage_stacks.progress

    def import_orphaned_resources(self, stack: PlannedStack, parameters: Values) -> None:
        """Import resources of the foundation that exist outside its stack, such as one deleted by hand."""
        if self.stage == LOCAL_STAGE:
            return
        stacks = self.stage_stacks.stacks
        if stacks.remove_unusable(stack.name):
            reimport = plan_reimport_into(self.target, self.stage, stack, self.stage_stacks, parameters)
            if reimport:
                self.progress.say(f"{stack.name}: {reimport.note}")
                stacks.reimport(stack.name, reimport.template, reimport.to_import)
            return
        adoption = plan_adoption(self.target, self.stage, stack.template, self.overrides)
        if adoption is None:
            return
        for line in adoption.notes():
            self.progress.say(f"{stack.name}: {line}")
        self.stage_stacks.stacks.adopt(stack.name, adoption.template, adoption.parameters, adoption.to_import)

    def ensure_api_key(self, usage_plan: str) -> str:
        """Return a valid key for the stage file, created if there is none. Report keys that are not accepted."""
        keys = ApiKeys(self.target.client("apigateway"), self.stage, usage_plan)
        # An emulator gives a changed API a new usage plan, which lacks the stage's keys.
        if self.target.is_emulator:
            keys.admit_all()
        for key in keys.outside_plan():
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
            self.progress.say("access logs are disabled: see docs/operations.md#access-logs")


def _resources(outputs: Values) -> dict[str, str]:
    """Return the names of the stage's resources from the outputs of its stacks."""
    resources = {name: outputs[output] for name, output in _RESOURCE_OUTPUTS.items()}
    return resources | {name: outputs[output] for name, output in _EVENT_OUTPUTS.items() if output in outputs}
