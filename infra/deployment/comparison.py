"""Compares a stage with the plan of a deployment, stack by stack. Nothing is changed."""

from dataclasses import dataclass, field, replace

from infra.cli.progress import Progress
from infra.deployment.adoption import plan_adoption
from infra.deployment.artifacts import NOT_UPLOADED, code_key, uploaded_version
from infra.packaging.package import Package
from infra.settings import LOCAL_STAGE
from infra.stacks.changes import Change, StackDiff
from infra.stacks.stage_stacks import PlannedStack, StageStacks, Values
from infra.targets.target import Target

_NEW_KEY = "the foundation's new key will change it too, which cannot be shown before there is one"
_STYLES = {"add": "green", "change": "yellow"}


@dataclass
class StackComparison:
    """The executor that changes nothing and collects the differences."""

    target: Target
    stage: str
    overrides: Values
    stage_stacks: StageStacks
    diffs: list[StackDiff] = field(default_factory=list)

    def foundation(self, stack: PlannedStack, given: Values) -> Values:
        self.diffs.append(self._import_of_remaining(stack) or self.stage_stacks.diff(stack, given))
        return self.stage_stacks.stacks.outputs(stack.name)

    def app(self, stack: PlannedStack, package: Package, given: Values) -> Values:
        bucket = given.get("ArtifactsBucket")
        version = uploaded_version(self.target.client("s3"), package, bucket) if bucket else None
        code = {"CodeKey": code_key(package), "CodeVersion": version or NOT_UPLOADED}
        diff = self.stage_stacks.diff(stack, given | code)
        self.diffs.append(_replaced_in_place(diff) if self.target.is_emulator else diff)
        return {}

    def stage_file(self, outputs: Values) -> None:
        pass

    def operations(self, stack: PlannedStack, given: Values) -> None:
        self.diffs.append(self.stage_stacks.diff(stack, given))
        self._note_new_key()

    def wait(self) -> None:
        pass

    def _note_new_key(self) -> None:
        foundation, *others = self.diffs
        if "Encryption" in foundation.parameters and self.stage_stacks.stacks.outputs(foundation.name):
            notes = (f"{diff.note}; {_NEW_KEY}".removeprefix("; ") for diff in others)
            self.diffs[1:] = [replace(diff, note=note) for diff, note in zip(others, notes, strict=True)]

    def _import_of_remaining(self, stack: PlannedStack) -> StackDiff | None:
        """Return the diff of a foundation whose stack was deleted by hand, which no change set can show."""
        if self.stage == LOCAL_STAGE or self.stage_stacks.stacks.template(stack.name) is not None:
            return None
        adoption = plan_adoption(self.target, self.stage, stack.template, self.overrides)
        if adoption is None:
            return None
        imported = {each["LogicalResourceId"]: "import" for each in adoption.to_import}
        created = dict.fromkeys(adoption.missing, "add")
        resources = stack.template["Resources"]
        changes = tuple(
            Change(action, resources[name]["Type"], name) for name, action in (imported | created).items()
        )
        return StackDiff(stack.name, changes, note="; ".join(adoption.notes()))


def _replaced_in_place(diff: StackDiff) -> StackDiff:
    """Emulators report that a changed API may be replaced, but a deployment keeps its URL and its keys."""
    changes = (
        replace(change, action="change")
        if change.loses and change.resource_type.startswith("AWS::ApiGateway::")
        else change
        for change in diff.changes
    )
    return replace(diff, changes=tuple(changes))


def print_diff(diffs: list[StackDiff], progress: Progress) -> None:
    """Print a line for each change; those that lose state stand out and are repeated at the end."""
    for diff in diffs:
        summary = f"{len(diff.changes)} to change" if diff.changes else "no changes"
        progress.say(f"{diff.name}: {summary}" + (f" ({diff.note})" if diff.note else ""))
        for name, (before, after) in sorted(diff.parameters.items()):
            progress.say(f"  parameter   {name}: {before} -> {after}")
        for change in diff.changes:
            action = change.action.upper() if change.loses else change.action
            causes = f"  {', '.join(change.causes)}" if change.causes else ""
            line = f"  {action:11} {change.resource_type} {change.logical_id}{causes}"
            progress.marked(line, "bold red" if change.loses else _STYLES.get(change.action, "default"))
    for change in (change for diff in diffs for change in diff.changes if change.loses):
        progress.marked(f"STATE WOULD BE LOST: {change}", "bold red")
    if not any(diff.differs or diff.note for diff in diffs):
        progress.say("nothing to deploy")
