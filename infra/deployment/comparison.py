"""The executor that changes nothing: it records what a deployment would change in each stack."""

from dataclasses import dataclass, field, replace

from infra.cli.progress import Progress
from infra.deployment.adoption import plan_adoption, plan_reimport_into
from infra.deployment.artifacts import NOT_UPLOADED, code_key, uploaded_version
from infra.deployment.collection_indexes import CollectionIndexes
from infra.deployment.function_code import functions_with_other_code
from infra.deployment.pauses import RecordedPause
from infra.deployment.served import ServedCollections
from infra.packaging.package import Package
from infra.settings import LOCAL_STAGE
from infra.stacks.changes import Change, StackDiff
from infra.stacks.stage_stacks import PlannedStack, StageStacks, Values
from infra.targets.target import Target

_NEW_KEY = "the new encryption key will change this stack too; that change can be shown only after the key exists"
_STYLES = {"add": "green", "ready": "green", "change": "yellow", "building": "yellow", "REFUSED": "bold red"}


@dataclass
class StackComparison:
    """Compares the stacks of a plan (`infra.deployment.plan`) with the deployed stacks."""

    target: Target
    stage: str
    overrides: Values
    stage_stacks: StageStacks
    diffs: list[StackDiff] = field(default_factory=list)
    _index_diff: StackDiff | None = None
    _served_diff: StackDiff | None = None

    def check_served_collections(self, served: ServedCollections, outputs: Values) -> None:
        """Record which collections the deployment would stop serving."""
        self._served_diff = served.diff(outputs)

    def record_served_collections(self, served: ServedCollections, outputs: Values) -> None:
        """Do nothing: a comparison writes no rows."""

    def check_indexes(self, indexes: CollectionIndexes, outputs: Values) -> None:
        """Record which indexes the deployment would add, build or remove."""
        self._index_diff = indexes.diff(outputs)

    def deploy_foundation(self, stack: PlannedStack, parameters: Values) -> Values:
        """Record the changes of the foundation, and return its present outputs."""
        diff = self._diff_of_import(stack) or self.stage_stacks.diff(stack, parameters)
        self.diffs.append(self._with_return(stack, parameters, diff))
        return self.stage_stacks.stacks.outputs(stack.name)

    def prepare_indexes(self, indexes: CollectionIndexes, outputs: Values) -> None:
        """Do nothing: a comparison writes no rows."""

    def get_pause_parameter(self, outputs: Values) -> Values:
        """Return the parameter that would keep a paused stage paused."""
        return RecordedPause(self.target, self.stage_stacks.progress).parameter(outputs)

    def apply_pause(self, outputs: Values, pause: Values) -> None:
        """Do nothing: a comparison changes no event source mapping."""

    def deploy_app(self, stack: PlannedStack, package: Package, parameters: Values) -> Values:
        """Record the changes of a Lambda's stack."""
        bucket = parameters.get("ArtifactsBucket")
        version = uploaded_version(self.target.client("s3"), package, bucket) if bucket else None
        code = {"CodeKey": code_key(package), "CodeVersion": version or NOT_UPLOADED}
        diff = self.stage_stacks.diff(stack, parameters | code)
        if self.target.is_emulator:
            diff = self._with_other_code(_without_api_replacements(diff), package)
        self.diffs.append(diff)
        return {}

    def write_stage_file(self, outputs: Values) -> None:
        """Do nothing: a comparison writes no stage file."""

    def complete_indexes(self, indexes: CollectionIndexes, outputs: Values) -> None:
        """Do nothing: a comparison writes no rows."""

    def deploy_operations(self, stack: PlannedStack, parameters: Values) -> None:
        """Record the changes of the alarms and the dashboard."""
        self.diffs.append(self.stage_stacks.diff(stack, parameters))
        self._note_new_key()
        self.diffs += [each for each in (self._served_diff, self._index_diff) if each is not None]

    def wait_until_ready(self) -> None:
        """Do nothing: a comparison has nothing to wait for."""

    def _note_new_key(self) -> None:
        foundation, *others = self.diffs
        if "Encryption" in foundation.parameters and self.stage_stacks.stacks.outputs(foundation.name):
            notes = (f"{diff.note}; {_NEW_KEY}".removeprefix("; ") for diff in others)
            self.diffs[1:] = [replace(diff, note=note) for diff, note in zip(others, notes, strict=True)]

    def _with_return(self, stack: PlannedStack, parameters: Values, diff: StackDiff) -> StackDiff:
        """Return the diff in which resources that exist outside the stack are shown as imports."""
        if self.stage == LOCAL_STAGE:
            return diff
        reimport = plan_reimport_into(self.target, self.stage, stack, self.stage_stacks, parameters)
        if reimport is None:
            return diff
        names = reimport.names
        changes = (replace(each, action="import") if each.logical_id in names else each for each in diff.changes)
        return replace(diff, changes=tuple(changes), note=reimport.note)

    def _with_other_code(self, diff: StackDiff, package: Package) -> StackDiff:
        """Return the diff with the functions of a local stage whose code differs from the zip in their stack."""
        shown = {each.logical_id for each in diff.changes}
        outputs = self.stage_stacks.stacks.outputs(diff.name)
        others = [
            Change("change", "AWS::Lambda::Function", logical_id, ("Code (the function runs another zip)",))
            for logical_id in functions_with_other_code(self.target, package, outputs)
            if logical_id not in shown
        ]
        return replace(diff, changes=(*diff.changes, *others))

    def _diff_of_import(self, stack: PlannedStack) -> StackDiff | None:
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


def _without_api_replacements(diff: StackDiff) -> StackDiff:
    """Return the diff in which replacements of the API are shown as changes.

    A deployment to an emulator keeps the API's URL and keys, although the emulator reports a replacement.
    """
    changes = (
        replace(change, action="change")
        if change.loses_data and change.resource_type.startswith("AWS::ApiGateway::")
        else change
        for change in diff.changes
    )
    return replace(diff, changes=tuple(changes))


def print_diff(diffs: list[StackDiff], progress: Progress) -> None:
    """Print a line for each change. Changes that lose data are highlighted, and repeated at the end."""
    for diff in diffs:
        summary = f"{len(diff.changes)} to change" if diff.changes else "no changes"
        progress.say(f"{diff.name}: {summary}" + (f" ({diff.note})" if diff.note else ""))
        for name, (before, after) in sorted(diff.parameters.items()):
            progress.say(f"  parameter   {name}: {before} -> {after}")
        for change in diff.changes:
            action = change.action.upper() if change.loses_data else change.action
            causes = f"  {', '.join(change.causes)}" if change.causes else ""
            line = f"  {action:11} {change.resource_type} {change.logical_id}{causes}"
            progress.marked(line, "bold red" if change.loses_data else _STYLES.get(change.action, "default"))
    for change in (change for diff in diffs for change in diff.changes if change.loses_data):
        progress.marked(f"STATE WOULD BE LOST: {change}", "bold red")
    if not any(diff.differs or diff.note for diff in diffs):
        progress.say("nothing to deploy")
