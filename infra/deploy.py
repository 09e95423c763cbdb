"""`python -m infra.deploy up|diff|destroy|env --stage local --target auto|embedded|localstack|aws`."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace

from infra.cli.command_line import OneLineParser, add_collections_option, run
from infra.cli.progress import Progress
from infra.collections.folder import CollectionSource, read_folder
from infra.deployment.comparison import print_diff
from infra.deployment.first_request import curl_line
from infra.deployment.plan import Deployer
from infra.deployment.readiness import is_healthy
from infra.deployment.stateful import stateful_resources
from infra.deployment.teardown import Teardown, check_confirmation, confirm_destruction
from infra.emulator import Emulator
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE, Settings, check_stage, collections_folder, read_settings
from infra.stage.stage_file import Deployment, earlier_deployment, read_deployment, stage_file
from infra.targets.target import AUTO, CHOICES, EMBEDDED, Target, find_target

DIFFERENT = 2


def main() -> int:
    """Run one command, and return its exit status."""
    arguments = _parse()
    return run(arguments.command, lambda: _command(arguments))


def _command(arguments: argparse.Namespace) -> int | None:
    settings = read_settings()
    if arguments.collections:
        settings = replace(settings, collections=collections_folder(arguments.collections))
    if arguments.command == "up" and arguments.keep:
        settings = replace(settings, keep=True)
    stage = check_stage(arguments.stage or settings.stage)
    if arguments.only_local and stage != LOCAL_STAGE:
        # JOBPIPE_STAGE may still be exported from an earlier command, and must not decide where to deploy.
        where = "use make deploy and make destroy for AWS"
        raise OperatorError(f"this is for the stage {LOCAL_STAGE}, not {stage}; {where}")
    if arguments.command == "up":
        _up(stage, settings, arguments)
    elif arguments.command == "diff":
        differs = _diff(stage, settings, arguments)
        return DIFFERENT if differs and arguments.exit_code else None
    elif arguments.command == "env":
        _print_exports(read_deployment(settings.state_dir, stage))
    else:
        _destroy(stage, settings, arguments)
    return None


def _up(stage: str, settings: Settings, arguments: argparse.Namespace) -> None:
    collections = read_folder(settings.collections)  # an invalid folder is reported before an emulator is started
    target = find_target(arguments.target, stage, settings)
    if target is None:
        raise OperatorError("there is no target")
    print_result(_deployer(target, stage, settings, arguments).deploy(), collections)


def _diff(stage: str, settings: Settings, arguments: argparse.Namespace) -> bool:
    target = find_target(arguments.target, stage, settings, start=False)
    if target is None:
        raise OperatorError(f"nothing answers at {settings.emulator_url}: everything would be created")
    deployer = _deployer(target, stage, settings, arguments)
    deployer.progress.say("nothing is changed")
    diffs = deployer.diff()
    print_diff(diffs, deployer.progress)
    return any(diff.differs or diff.note for diff in diffs)


def _deployer(target: Target, stage: str, settings: Settings, arguments: argparse.Namespace) -> Deployer:
    overrides = target.with_arns(dict(arguments.parameter))
    target.check_parameters(overrides)
    progress = _report_target(target, stage, settings)
    may_replace = arguments.command == "diff" or arguments.allow_replacement or stage == LOCAL_STAGE
    return Deployer(
        *(target, stage, settings, progress, overrides),
        allow_data_loss=may_replace,
        may_remove_collections=arguments.remove_collections,
    )


def _destroy(stage: str, settings: Settings, arguments: argparse.Namespace) -> None:
    if stage != LOCAL_STAGE:
        check_confirmation(stage, arguments.confirm)
    target = find_target(arguments.target, stage, settings, start=False)
    if target is None:
        if arguments.target not in {AUTO, EMBEDDED}:
            raise OperatorError(f"nothing answers at {settings.emulator_url}")
        kept = Emulator(settings.state_dir, settings.port).kept_dir
        if kept.exists():
            remedy = f"start it (make deploy-local KEEP=yes) and repeat this, or delete {kept}"
            raise OperatorError(f"the emulator that keeps the stage is not running: {remedy}")
        earlier = earlier_deployment(settings.state_dir, stage)
        if earlier and earlier.endpoint_url == settings.emulator_url:
            stage_file(settings.state_dir, stage).unlink()
        Progress().say(f"nothing answers at {settings.emulator_url}, so there is nothing to destroy")
        return
    progress = _report_target(target, stage, settings)
    if stage != LOCAL_STAGE:
        resources = stateful_resources(target, stage).values()
        confirm_destruction(target, stage, resources, arguments.confirm, progress)
    Teardown(target, stage, settings, progress).destroy()
    progress.say(f"the stage {stage} is deleted")


def _report_target(target: Target, stage: str, settings: Settings) -> Progress:
    progress = Progress(in_short=target.is_emulator)
    progress.say(f"target: {target.place}, stage {stage} ({target.why})")
    target.check_location(earlier_deployment(settings.state_dir, stage))
    return progress


def print_result(deployment: Deployment, collections: Sequence[CollectionSource]) -> None:
    """Print what can be done next. On AWS the key is not printed, since CI pipelines keep their output."""
    print(f"target:   {deployment.target}")
    print(f"base URL: {deployment.base_url}")
    if not deployment.on_emulator:
        print(f"API key:  not shown; make -s env STAGE={deployment.stage} shows it")
        return
    print(f"API key:  {deployment.api_key}")
    print(f"try:      {curl_line(deployment, collections)}")


def _print_exports(deployment: Deployment) -> None:
    if not is_healthy(deployment.base_url):
        print(f"env: nothing answers at {deployment.base_url} now", file=sys.stderr)
    print(f"export JOBPIPE_URL={shlex.quote(deployment.base_url)}")
    print(f"export JOBPIPE_API_KEY={shlex.quote(deployment.api_key)}")


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
    parser.add_argument("--keep", action="store_true", help="start the embedded emulator so that it keeps its data")
    parser.add_argument(
        "--allow-replacement",
        action="store_true",
        help="replace or remove resources that hold data, addresses or secrets (infra/stacks/changes.py)",
    )
    add_collections_option(parser)
    parser.add_argument(
        "--remove-collections", action="store_true", help="stop serving collections that the folder lacks"
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
