"""Deploys a stage, or compares it with its sources: one plan of steps, and two executors for the steps."""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from infra.cli.progress import Progress
from infra.deployment.checks import check_encryption, check_overrides, concurrency_problem
from infra.deployment.comparison import StackComparison
from infra.deployment.stateful import delete_remains
from infra.deployment.updates import StackUpdates
from infra.packaging.package import Package, package_all
from infra.settings import Settings
from infra.stacks.change_sets import Stacks
from infra.stacks.changes import StackDiff
from infra.stacks.stage_stacks import PlannedStack, StageStacks, Values
from infra.stage.names import app_stack, foundation_stack, operations_stack
from infra.stage.stage_file import Deployment
from infra.targets.target import Target
from infra.templates.sources import foundation_for, operations


@dataclass(frozen=True)
class Deployer:
    """One deployment of one stage into one target."""

    target: Target
    stage: str
    settings: Settings
    progress: Progress
    overrides: dict[str, str]  # parameters that the operator gave
    allow_replacement: bool = True  # of resources that hold state

    def up(self) -> Deployment:
        """Deploy the stage, wait until its API answers, and return what the stage file says."""
        updates = self.updates()
        self._run(updates)
        return updates.deployment

    def diff(self) -> list[StackDiff]:
        """Return what a deployment would change in each stack, in the order of the deployment. Change nothing."""
        comparison = StackComparison(self.target, self.stage, self.overrides, self._stage_stacks())
        self._run(comparison)
        return comparison.diffs

    def updates(self) -> StackUpdates:
        """Return the executor that deploys."""
        return StackUpdates(self.target, self.stage, self.settings.state_dir, self.overrides, self._stage_stacks())

    def stacks(self) -> Stacks:
        """Return the stacks of the target. The remains of a stack whose creation failed are deleted with it."""
        return Stacks(
            self.target.client("cloudformation"),
            self.progress,
            self.target.poll_seconds,
            allow_loss=self.allow_replacement,
            remove_remains=partial(delete_remains, self.target, self.progress),
        )

    def _stage_stacks(self) -> StageStacks:
        return StageStacks(self.stacks(), self.progress, self.target.default_parameters(self.stage))

    def _run(self, executor: StackUpdates | StackComparison) -> None:
        Plan(self.target, self.stage, self.overrides, executor.stage_stacks, executor).run()


class Executor(Protocol):
    """Carries out the steps that concern the target. The steps of stacks return the stacks' outputs."""

    def foundation(self, stack: PlannedStack, given: Values) -> Values: ...
    def app(self, stack: PlannedStack, package: Package, given: Values) -> Values: ...
    def stage_file(self, outputs: Values) -> None: ...
    def operations(self, stack: PlannedStack, given: Values) -> None: ...
    def wait(self) -> None: ...


@dataclass
class Plan:
    """The plan of one deployment."""

    target: Target
    stage: str
    overrides: Values  # parameters that the operator gave
    stage_stacks: StageStacks
    executor: Executor

    def run(self) -> None:
        """Take all steps. After an error, another run continues with what is there."""
        for step in (
            self.package,
            self.check,
            self.foundation,
            self.worker,  # before the API, which may queue only what the worker understands
            self.api,
            self.stage_file,  # before the alarms: a stage without them can be used
            self.operations,
            self.wait,
        ):
            step()

    def package(self) -> None:
        """Build the zips and read all templates."""
        self._packages = package_all()
        self._given: Values = {"Stage": self.stage} | self.overrides
        self._foundation = PlannedStack(foundation_stack(self.stage), foundation_for(self.stage))
        self._apps = {
            app: PlannedStack(app_stack(self.stage, app), package.template())
            for app, package in self._packages.items()
        }
        self._operations = PlannedStack(operations_stack(self.stage), operations())

    def check(self) -> None:
        """Refuse what would fail later, before anything is changed."""
        stacks = (self._foundation, *self._apps.values(), self._operations)
        check_overrides(self.overrides, self._foundation.template, [stack.template for stack in stacks])
        check_encryption(self.stage, self.stage_stacks.stacks.outputs(self._foundation.name), self.overrides)
        if not self.target.is_emulator:  # emulators do not limit the concurrency
            worker = self._apps["worker"]
            planned = self.stage_stacks.planned(worker, self._given)
            problem = concurrency_problem(self.target.client("lambda"), worker.name, planned)
            if problem:
                self.stage_stacks.progress.say(problem)

    def foundation(self) -> None:
        """Tables, buckets and queues, whose names the other stacks need."""
        self._outputs = self.executor.foundation(self._foundation, self._given)
        self._given |= self._outputs

    def worker(self) -> None:
        self._outputs |= self._app("worker")

    def api(self) -> None:
        self._outputs |= self._app("api")

    def stage_file(self) -> None:
        self.executor.stage_file(self._outputs)

    def operations(self) -> None:
        self.executor.operations(self._operations, self._given)

    def wait(self) -> None:
        self.executor.wait()

    def _app(self, app: str) -> Values:
        return self.executor.app(self._apps[app], self._packages[app], self._given)
