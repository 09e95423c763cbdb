"""The steps of a deployment in their order. One executor carries them out, another only compares."""

from dataclasses import dataclass
from typing import Protocol

from infra.deployment.checks import check_encryption, check_overrides, concurrency_problem
from infra.packaging.package import Package, package_all
from infra.stacks.stage_stacks import PlannedStack, StageStacks, Values
from infra.stage.names import app_stack, foundation_stack, operations_stack
from infra.targets.target import Target
from infra.templates.sources import foundation_for, operations


class Executor(Protocol):
    """Carries out the steps that concern the target. `given` are parameters that do not have to be chosen."""

    def foundation(self, stack: PlannedStack, given: Values) -> Values:
        """Return the outputs of the foundation, as far as it has any."""

    def app(self, stack: PlannedStack, package: Package, given: Values) -> Values:
        """Return the outputs of the stack of a Lambda, as far as it has any."""

    def stage_file(self, outputs: Values) -> None:
        """Write the file that clients read, from the outputs of all stacks so far."""

    def operations(self, stack: PlannedStack, given: Values) -> None:
        """Bring alarms and dashboard up to date."""

    def wait(self) -> None:
        """Return when the stage can be used."""


@dataclass
class Plan:
    """The plan of one deployment."""

    target: Target
    stage: str
    overrides: Values  # parameters that the operator gave
    stacks: StageStacks
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
        check_encryption(self.stage, self.stacks.stacks.outputs(self._foundation.name), self.overrides)
        if not self.target.is_emulator:  # emulators do not limit the concurrency
            worker = self._apps["worker"]
            planned = self.stacks.planned(worker, self._given)
            problem = concurrency_problem(self.target.client("lambda"), worker.name, planned)
            if problem:
                self.stacks.progress.say(problem)

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
