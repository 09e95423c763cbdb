"""`python -m infra.deploy up|diff|destroy|env --stage local --target auto|embedded|localstack|aws`."""

import argparse
import json
import shlex
import sys

from infra.cli.command_line import OneLineParser, run
from infra.cli.progress import Progress
from infra.deployment.confirmation import check_confirmation, confirm_destruction
from infra.deployment.diff import print_diff, stage_diff
from infra.deployment.plan import Deployer, answers
from infra.deployment.retained import held_by
from infra.deployment.stage_location import check_place
from infra.deployment.teardown import Teardown
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE, Settings, check_stage, read_settings
from infra.stage.stage_file import Deployment, earlier_deployment, read_deployment, stage_file
from infra.targets.target import AUTO, CHOICES, EMBEDDED, find_target

DIFFERENT = 2


def main() -> int:
    """Runs one command."""
    arguments = _parse()
    return run(arguments.command, lambda: _command(arguments))


def _command(arguments: argparse.Namespace) -> int | None:
    settings = read_settings()
    stage = check_stage(arguments.stage or settings.stage)
    if arguments.only_local and stage != LOCAL_STAGE:
        # a forgotten export of JOBPIPE_STAGE must not decide where something is deployed
        where = "for AWS there is make deploy and make destroy"
        raise OperatorError(f"this is for the stage {LOCAL_STAGE}, not {stage}; {where}")
    overrides = dict(arguments.parameter)
    if arguments.command == "up":
        _up(stage, arguments.target, overrides, settings, allow_replacement=arguments.allow_replacement)
    elif arguments.command == "diff":
        differs = _diff(stage, arguments.target, overrides, settings)
        return DIFFERENT if differs and arguments.exit_code else None
    elif arguments.command == "env":
        _print_exports(read_deployment(settings.state_dir, stage))
    else:
        _destroy(stage, arguments.target, settings, arguments.confirm)
    return None


def _up(stage: str, wanted: str, overrides: dict[str, str], settings: Settings, *, allow_replacement: bool) -> None:
    progress = Progress()
    target = find_target(wanted, stage, settings)
    if target is None:
        raise OperatorError("there is no target")
    target.check_parameters(overrides)
    progress.say(f"target: {target.place}, stage {stage} ({target.why})")
    check_place(target, earlier_deployment(settings.state_dir, stage))
    may_lose = allow_replacement or stage == LOCAL_STAGE
    deployer = Deployer(target, stage, settings, progress, overrides, allow_replacement=may_lose)
    print_result(deployer.up())


def _diff(stage: str, wanted: str, overrides: dict[str, str], settings: Settings) -> bool:
    progress = Progress()
    target = find_target(wanted, stage, settings, start=False)
    if target is None:
        raise OperatorError(f"nothing answers at {settings.emulator_url}: everything would be made anew")
    target.check_parameters(overrides)
    progress.say(f"target: {target.place}, stage {stage} ({target.why}); nothing is changed")
    check_place(target, earlier_deployment(settings.state_dir, stage))
    diffs = stage_diff(Deployer(target, stage, settings, progress, overrides))
    print_diff(diffs, progress)
    return any(diff.differs or diff.note for diff in diffs)


def _destroy(stage: str, wanted: str, settings: Settings, confirmed: str | None) -> None:
    if stage != LOCAL_STAGE:
        check_confirmation(stage, confirmed)
    progress = Progress()
    target = find_target(wanted, stage, settings, start=False)
    if target is None:
        if wanted not in {AUTO, EMBEDDED}:
            raise OperatorError(f"nothing answers at {settings.emulator_url}")
        # an emulator that does not run holds nothing: it keeps nothing between starts
        earlier = earlier_deployment(settings.state_dir, stage)
        if earlier and earlier.endpoint_url == settings.emulator_url:
            stage_file(settings.state_dir, stage).unlink()
        progress.say(f"nothing answers at {settings.emulator_url}, so there is nothing to destroy")
        return
    progress.say(f"target: {target.place}, stage {stage} ({target.why})")
    check_place(target, earlier_deployment(settings.state_dir, stage))
    if stage != LOCAL_STAGE:
        confirm_destruction(target, stage, held_by(target, stage), confirmed, progress)
    Teardown(target, stage, settings, progress).destroy()
    progress.say(f"stage {stage} is gone")


def print_result(deployment: Deployment) -> None:
    """What to do next; a key only where it is good for nothing but an emulator."""
    print(f"target:   {deployment.target}")
    print(f"base URL: {deployment.base_url}")
    if deployment.endpoint_url is None:  # what a pipeline prints is kept, and read by many
        print(f"API key:  not shown; make -s env STAGE={deployment.stage} does")
        return
    print(f"API key:  {deployment.api_key}")
    print(f"try:      {curl_line(deployment)}")


def _print_exports(deployment: Deployment) -> None:
    if not answers(deployment.base_url):
        print(f"env: nothing answers at {deployment.base_url} now", file=sys.stderr)
    print(f"export JOBPIPE_URL={shlex.quote(deployment.base_url)}")
    print(f"export JOBPIPE_API_KEY={shlex.quote(deployment.api_key)}")


def curl_line(deployment: Deployment) -> str:
    """Creates an item and waits for it, when pasted into a shell."""
    item = {"name": "first item", "description": "made by a pasted line"}
    parts = ["curl", "-sS", "-X", "POST", f"{deployment.base_url}/items"]
    for header in (f"x-api-key: {deployment.api_key}", "Content-Type: application/json", "Prefer: wait=10"):
        parts += ["-H", header]
    return shlex.join([*parts, "-d", json.dumps(item)])


def _parse() -> argparse.Namespace:
    parser = OneLineParser(prog="python -m infra.deploy", description="Deploys and destroys stages.")
    parser.add_argument("command", choices=["up", "diff", "destroy", "env"])
    parser.add_argument("--stage", help="JOBPIPE_STAGE, else local")
    parser.add_argument("--target", choices=CHOICES, default=AUTO)
    parser.add_argument(
        "--parameter",
        type=_assignment,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the templates, such as WorkerTimeout=30",
    )
    parser.add_argument(
        "--allow-replacement",
        action="store_true",
        help="replace or remove what data, callers or operators hang on (infra/stacks/changes.py)",
    )
    parser.add_argument("--only-local", action="store_true", help="refuse every stage but local")
    parser.add_argument("--exit-code", action="store_true", help="diff: exit with 2 if anything would change")
    parser.add_argument("--confirm", metavar="STAGE", help="destroy this stage without asking")
    return parser.parse_args()


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
