"""What a deployment of a stage would change, stack by stack, with nothing changed."""

from dataclasses import replace

from infra.cli.progress import Progress
from infra.deployment.adoption import plan_adoption
from infra.deployment.artifacts import NOT_UPLOADED, code_key, uploaded_version
from infra.deployment.plan import Deployer
from infra.packaging.package import package_all
from infra.settings import LOCAL_STAGE
from infra.stacks.change_sets import Stacks
from infra.stacks.changes import Change, StackDiff, all_added
from infra.stacks.shared_parameters import SharedParameters
from infra.stage.names import app_stack, foundation_stack, operations_stack
from infra.templates.sources import Template, foundation_for, operations, read_template

_NEW_KEY = "the foundation's new key will change it too, which cannot be shown before there is one"
_STYLES = {"add": "green", "change": "yellow"}


def stage_diff(deployer: Deployer) -> list[StackDiff]:
    """Of the stacks in the order of a deployment."""
    packages = package_all()
    deployer.check_overrides(packages)
    deployer.check_encryption()
    deployer.check_concurrency(packages)
    given, defaults = deployer.parameters()
    target = deployer.target
    may_lose = deployer.allow_replacement
    stacks = Stacks(target.client("cloudformation"), deployer.progress, target.poll_seconds, allow_loss=may_lose)
    shared = SharedParameters(stacks, deployer.progress, defaults)
    name, template = foundation_stack(deployer.stage), foundation_for(deployer.stage)
    diffs = [
        _adopted(deployer, stacks, name, template)
        or stacks.diff(name, template, shared.given_to(name, template, given), defaults)
    ]
    foundation = stacks.outputs(name)
    for app in ("worker", "api"):
        package = packages[app]
        bucket = foundation.get("ArtifactsBucket")
        version = uploaded_version(target.client("s3"), package, bucket) if bucket else None
        code = {"CodeKey": code_key(package), "CodeVersion": version or NOT_UPLOADED}
        wanted = given | foundation | code
        diff = _app(stacks, app_stack(deployer.stage, app), read_template(package.template_path), wanted, shared)
        diffs.append(_as_emulated(diff) if target.endpoint_url else diff)
    wanted = given | foundation
    diffs.append(_app(stacks, operations_stack(deployer.stage), operations(), wanted, shared))
    if foundation and "Encryption" in diffs[0].parameters:  # there is one way only: to a key of the stage's own
        return [
            diffs[0],
            *(replace(diff, note=f"{diff.note}; {_NEW_KEY}".removeprefix("; ")) for diff in diffs[1:]),
        ]
    return diffs


def _adopted(deployer: Deployer, stacks: Stacks, name: str, template: Template) -> StackDiff | None:
    """The diff of a foundation whose resources remain without a stack, which no change set can show; else None."""
    if deployer.stage == LOCAL_STAGE or stacks.template(name) is not None:
        return None
    adoption = plan_adoption(deployer.target, deployer.stage, template, deployer.overrides)
    if adoption is None:
        return None
    taken = {each["LogicalResourceId"]: "import" for each in adoption.to_import}
    made = dict.fromkeys(adoption.missing, "add")
    resources = template["Resources"]
    changes = tuple(Change(action, resources[each]["Type"], each) for each, action in (taken | made).items())
    return StackDiff(name, changes, note="; ".join(adoption.notes()))


def _as_emulated(diff: StackDiff) -> StackDiff:
    """Emulators say that an API whose function changes may be replaced; a deployment keeps its URL and its keys."""
    return replace(diff, changes=tuple(_kept(change) for change in diff.changes))


def _kept(change: Change) -> Change:
    of_the_api = change.resource_type.startswith("AWS::ApiGateway::")
    return replace(change, action="change") if of_the_api and change.loses else change


def _app(
    stacks: Stacks, name: str, template: Template, given: dict[str, str], shared: SharedParameters
) -> StackDiff:
    """A change set needs a value for every parameter, and some are outputs of a foundation that is yet to come."""
    wanted = shared.given_to(name, template, given)
    required = {key for key, each in template["Parameters"].items() if "Default" not in each}
    missing = sorted(required - set(wanted) - set(shared.defaults))
    if not missing:
        return stacks.diff(name, template, wanted, shared.defaults)
    note = f"no change set before the foundation has {', '.join(missing)}"
    if stacks.template(name) is None:
        return StackDiff(name, all_added(template), note=f"there is no such stack yet; {note}")
    return StackDiff(name, (), note=note)


def print_diff(diffs: list[StackDiff], progress: Progress) -> None:
    """A line for each resource; what would lose state stands out, and is told again at the end."""
    for diff in diffs:
        told = f"{len(diff.changes)} to change" if diff.changes else "no changes"
        progress.say(f"{diff.name}: {told}" + (f" ({diff.note})" if diff.note else ""))
        for name, (before, after) in sorted(diff.parameters.items()):
            progress.say(f"  parameter   {name}: {before} -> {after}")
        for change in diff.changes:
            action = change.action.upper() if change.loses else change.action
            what = f"  {action:11} {change.resource_type} {change.logical_id}"
            why = f"  {', '.join(change.causes)}" if change.causes else ""
            progress.marked(what + why, "bold red" if change.loses else _STYLES.get(change.action, "default"))
    lost = [change for diff in diffs for change in diff.changes if change.loses]
    for change in lost:
        progress.marked(f"STATE WOULD BE LOST: {change}", "bold red")
    if not any(diff.differs or diff.note for diff in diffs):
        progress.say("nothing to deploy")
