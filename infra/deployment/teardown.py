"""Deletes a stage with all its data, after the operator has confirmed the deletion."""

import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from infra.cli.aws_errors import suppress_gone
from infra.cli.progress import Progress
from infra.deployment.emulation import delete_usage_plans
from infra.deployment.stateful import Bucket, Stateful, delete_resources, stateful_resources, unprotect_tables
from infra.errors import OperatorError
from infra.keys.api_keys import delete_keys
from infra.packaging.package import APPS
from infra.settings import Settings
from infra.stacks.change_sets import Stacks
from infra.stage.names import app_stack, foundation_stack, log_groups, operations_stack
from infra.stage.stage_file import earlier_deployment, stage_file
from infra.targets.target import Target


def confirm_destruction(
    target: Target, stage: str, resources: Iterable[Stateful], given: str | None, progress: Progress
) -> None:
    """Return if `given` is the stage's name, or if the operator types the name after seeing what will be lost."""
    check_confirmation(stage, given)
    progress.say(f"this permanently deletes the stage {stage} in {target.place}:")
    lines = []
    for each in resources:
        with suppress_gone():
            lines.append(f"{each.name}: {each.summary()}")
    for line in lines or ["no resource with data is left"]:
        progress.say(f"  {line}")
    if given is None and _ask(f"type {stage} to continue: ") != stage:
        raise OperatorError("nothing was deleted")


def check_confirmation(stage: str, given: str | None) -> None:
    """Raise OperatorError if `given` is another name, or if it is None and no terminal can ask for it."""
    if given is not None and given != stage:
        raise OperatorError(f"CONFIRM={given} is not the name of the stage, {stage}; nothing was deleted")
    if given is None and not sys.stdin.isatty():
        raise OperatorError(
            f"this would delete every job, item and document of {stage!r}: give --confirm {stage}"
            f" (make: CONFIRM={stage})"
        )


def _ask(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError:  # Ctrl-D
        print(file=sys.stderr)
        return ""


@dataclass(frozen=True)
class Teardown:
    """The deletion of one stage in one target."""

    target: Target
    stage: str
    settings: Settings
    progress: Progress

    def destroy(self) -> None:
        """Delete keys, stacks, objects in all versions, retained resources, log groups and the stage file.

        Everything is found by its name, so that a second run completes an interrupted one.
        """
        delete_keys(self.target.client("apigateway"), self.stage)  # first, so that no more requests are accepted
        self._stacks().delete(operations_stack(self.stage))  # early, so that no alarm reports missing resources
        self._delete_apps()  # before the buckets are emptied, so that nothing is written to them again
        resources = list(stateful_resources(self.target, self.stage).values())
        for each in resources:
            if isinstance(each, Bucket):
                with suppress_gone():
                    each.empty(self.progress)
        unprotect_tables(resources)
        self._stacks().delete(foundation_stack(self.stage))
        delete_resources(resources, self.progress)  # except in the local stage, they outlive the stack
        delete_usage_plans(self.target, self.stage)
        self._delete_log_groups()
        self._delete_stage_file()

    def _stacks(self) -> Stacks:
        return Stacks(self.target.client("cloudformation"), self.progress, self.target.poll_seconds)

    def _delete_apps(self) -> None:
        # The clients are created here, one for each thread, since boto3's sessions are not thread-safe.
        apps = [(self._stacks(), app_stack(self.stage, app)) for app in APPS]
        with ThreadPoolExecutor(len(apps)) as pool:
            list(pool.map(lambda app: app[0].delete(app[1]), apps))

    def _delete_log_groups(self) -> None:
        """Delete this stage's groups by name: the stage `team-1` shares the prefix of the stage `team`."""
        logs = self.target.client("logs")
        for group in log_groups(self.stage):
            with suppress_gone():
                logs.delete_log_group(logGroupName=group)

    def _delete_stage_file(self) -> None:
        earlier = earlier_deployment(self.settings.state_dir, self.stage)
        # The stage file may belong to another emulator.
        if earlier is None or earlier.endpoint_url == self.target.endpoint_url:
            stage_file(self.settings.state_dir, self.stage).unlink(missing_ok=True)
