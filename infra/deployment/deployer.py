"""Deploys a stage, or shows what a deployment would change."""

from dataclasses import dataclass
from functools import partial

from infra.cli.progress import Progress
from infra.deployment.comparison import StackComparison
from infra.deployment.plan import Plan
from infra.deployment.stateful import delete_remains
from infra.deployment.updates import StackUpdates
from infra.settings import Settings
from infra.stacks.change_sets import Stacks
from infra.stacks.changes import StackDiff
from infra.stacks.stage_stacks import StageStacks
from infra.stage.stage_file import Deployment
from infra.targets.target import Target


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
        Plan(self.target, self.stage, self.overrides, executor.stacks, executor).run()
