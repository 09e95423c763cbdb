"""The plan of a deployment. `make deploy` carries it out, and `make diff` shows what it would change.

The steps of the plan are:

1. Package: build the zips of both Lambdas and read all templates.
2. Check: refuse parameters that would fail in a later step. Refuse collection rules that existing documents
   violate. Refuse a folder that lacks a collection the stage still serves (served.py).
3. Foundation: deploy the tables, buckets and queues, and prepare the collections' indexes (collection_indexes.py).
4. Worker, then API: upload the zip and deploy the stack of each Lambda. A paused stage stays paused (pauses.py).
5. Stage file: write the URL, the API key and the names of the resources.
6. Collections: record which indexes are ready or have to be built, and which collections are served.
7. Operations: deploy the alarms and the dashboard.
8. Wait until the API accepts requests.

`Plan` defines the order of the steps and passes the outputs of each step to the next. An executor does the work:
`StackUpdates` deploys, and `StackComparison` only records the differences.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from infra.cli.progress import Progress
from infra.collections.folder import read_folder
from infra.collections.look_ups import declared_rules
from infra.deployment.checks import check_encryption, check_events, check_overrides, concurrency_problem
from infra.deployment.collection_indexes import CollectionIndexes
from infra.deployment.comparison import StackComparison
from infra.deployment.served import ServedCollections
from infra.deployment.stateful import delete_leftovers
from infra.deployment.updates import StackUpdates
from infra.packaging.package import Package, build_folder, package_all
from infra.settings import Settings
from infra.stacks.change_sets import Stacks
from infra.stacks.changes import StackDiff
from infra.stacks.stage_stacks import PlannedStack, StageStacks, Values
from infra.stacks.template_bodies import TemplateBodies
from infra.stage.names import app_stack, foundation_stack, operations_stack
from infra.stage.stage_file import Deployment
from infra.targets.target import Target
from infra.templates.sources import foundation_template, operations_template


@dataclass(frozen=True)
class Deployer:
    """Deploys one stage to one target, or compares the deployed stage with what would be deployed."""

    target: Target
    stage: str
    settings: Settings
    progress: Progress
    overrides: dict[str, str]  # the parameters that the operator gave
    allow_data_loss: bool = True  # whether resources that hold data may be replaced or deleted
    may_remove_collections: bool = False  # whether the stage may stop serving a collection

    def deploy(self) -> Deployment:
        """Deploy the stage and wait until its API responds. Return the content of the stage file."""
        executor = self.create_executor()
        self._run(executor)
        return executor.deployment

    def diff(self) -> list[StackDiff]:
        """Return what a deployment would change in each stack, in order. Change nothing."""
        executor = StackComparison(self.target, self.stage, self.overrides, self._stage_stacks())
        self._run(executor)
        return executor.diffs

    def create_executor(self) -> StackUpdates:
        """Return the executor that deploys."""
        return StackUpdates(self.target, self.stage, self.settings.state_dir, self.overrides, self._stage_stacks())

    def stacks(self) -> Stacks:
        """Return the interface to the target's CloudFormation stacks.

        When a stack whose creation failed is deleted, its leftover resources are deleted too.
        """
        return Stacks(
            self.target.client("cloudformation"),
            self.progress,
            self.target.poll_seconds,
            allow_data_loss=self.allow_data_loss,
            delete_leftovers=partial(delete_leftovers, self.target, self.progress),
            bodies=TemplateBodies(lambda: self.target.client("s3")),
        )

    def _stage_stacks(self) -> StageStacks:
        return StageStacks(self.stacks(), self.progress, self.target.default_parameters(self.stage))

    def _run(self, executor: StackUpdates | StackComparison) -> None:
        plan = Plan(
            *(self.target, self.stage, self.overrides, executor.stage_stacks, executor),
            self.settings.collections,
            self.may_remove_collections,
        )
        plan.run()


class Executor(Protocol):
    """Carries out the steps, or compares them with the stage. Steps return the outputs that other steps need."""

    def check_served_collections(self, served: ServedCollections, outputs: Values) -> None: ...
    def check_indexes(self, indexes: CollectionIndexes, outputs: Values) -> None: ...
    def deploy_foundation(self, stack: PlannedStack, parameters: Values) -> Values: ...
    def prepare_indexes(self, indexes: CollectionIndexes, outputs: Values) -> None: ...
    def get_pause_parameter(self, outputs: Values) -> Values: ...
    def deploy_app(self, stack: PlannedStack, package: Package, parameters: Values) -> Values: ...
    def apply_pause(self, outputs: Values, pause: Values) -> None: ...
    def write_stage_file(self, outputs: Values) -> None: ...
    def complete_indexes(self, indexes: CollectionIndexes, outputs: Values) -> None: ...
    def record_served_collections(self, served: ServedCollections, outputs: Values) -> None: ...
    def deploy_operations(self, stack: PlannedStack, parameters: Values) -> None: ...
    def wait_until_ready(self) -> None: ...


@dataclass(frozen=True)
class Plan:
    """The steps of a deployment, in order."""

    target: Target
    stage: str
    overrides: Values
    stage_stacks: StageStacks
    executor: Executor
    collections: Path  # the folder of collections
    may_remove_collections: bool = False  # whether the stage may stop serving a collection

    def run(self) -> None:
        """Run all steps. After an error, the plan can be run again: completed steps then change nothing."""
        packages = package_all(build_folder(self.collections), self.collections)
        foundation = PlannedStack(foundation_stack(self.stage), foundation_template(self.stage))
        worker, api = (
            PlannedStack(app_stack(self.stage, app), packages[app].template()) for app in ("worker", "api")
        )
        alarms = PlannedStack(operations_stack(self.stage), operations_template())
        parameters = {"Stage": self.stage} | self.overrides
        self.check_parameters(parameters, foundation, worker, api, alarms)
        declared = declared_rules(read_folder(self.collections))
        indexes = CollectionIndexes(self.target, declared, self.stage_stacks.progress)
        served = ServedCollections(
            self.target, list(declared), self.collections, self.stage_stacks.progress, self.may_remove_collections
        )
        previous_outputs = self.stage_stacks.stacks.outputs(foundation.name)
        self.executor.check_served_collections(served, previous_outputs)
        self.executor.check_indexes(indexes, previous_outputs)

        outputs = self.executor.deploy_foundation(foundation, parameters)
        self.executor.prepare_indexes(indexes, outputs)
        parameters |= outputs
        # The worker is deployed first, because the API may queue only commands that the worker understands.
        pause = self.executor.get_pause_parameter(outputs)
        outputs |= self.executor.deploy_app(worker, packages["worker"], parameters | pause)
        self.executor.apply_pause(outputs, pause)
        outputs |= self.executor.deploy_app(api, packages["api"], parameters)
        self.executor.write_stage_file(outputs)
        self.executor.complete_indexes(indexes, outputs)
        self.executor.record_served_collections(served, outputs)
        # The stage can be used without the alarms, so they come after the stage file.
        self.executor.deploy_operations(alarms, parameters)
        self.executor.wait_until_ready()

    def check_parameters(
        self, parameters: Values, foundation: PlannedStack, worker: PlannedStack, *others: PlannedStack
    ) -> None:
        """Raise OperatorError, before anything is changed, for parameters that a later step would refuse."""
        templates = [stack.template for stack in (foundation, worker, *others)]
        check_overrides(self.overrides, foundation.template, templates)
        check_encryption(self.stage, self.stage_stacks.stacks.outputs(foundation.name), self.overrides)
        planned = self.stage_stacks.planned(worker, parameters)
        check_events(planned)
        if self.target.is_emulator:  # emulators do not limit concurrency
            return
        warning = concurrency_problem(self.target.client("lambda"), worker.name, planned)
        if warning:
            self.stage_stacks.progress.say(warning)
