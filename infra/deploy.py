"""`python -m infra.deploy up|destroy|env --stage local --target auto|embedded|localstack|aws`."""

import argparse
import json
import shlex
import sys

from infra.command_line import OneLineParser, run
from infra.deployment import Deployer, answers
from infra.errors import OperatorError
from infra.progress import Progress
from infra.settings import LOCAL_STAGE, Settings, check_stage, read_settings
from infra.stage_file import Deployment, earlier_deployment, read_deployment, stage_file
from infra.targets import AUTO, CHOICES, EMBEDDED, find_target
from infra.teardown import Teardown


def main() -> int:
    """Runs one command."""
    arguments = _parse()
    return run(arguments.command, lambda: _command(arguments))


def _command(arguments: argparse.Namespace) -> None:
    settings = read_settings()
    stage = check_stage(arguments.stage or settings.stage)
    if arguments.command == "up":
        _up(stage, arguments.target, dict(arguments.parameter), settings)
    elif arguments.command == "env":
        _print_exports(read_deployment(settings.state_dir, stage))
    else:
        _destroy(stage, arguments.target, settings, delete_data=arguments.delete_data)


def _up(stage: str, wanted: str, overrides: dict[str, str], settings: Settings) -> None:
    progress = Progress()
    target = find_target(wanted, stage, settings)
    if target is None:
        raise OperatorError("there is no target")
    progress.say(f"target: {target.name} ({target.why})")
    deployment = Deployer(target, stage, settings, progress, overrides).up()
    _print_result(deployment)


def _destroy(stage: str, wanted: str, settings: Settings, *, delete_data: bool) -> None:
    if stage != LOCAL_STAGE and not delete_data:
        raise OperatorError(
            f"this would delete every job, item and document of {stage!r}: add --delete-data (make: CONFIRM=yes)"
        )
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
    progress.say(f"target: {target.name} ({target.why})")
    Teardown(target, stage, settings, progress).destroy()
    progress.say(f"stage {stage} is gone")


def _print_result(deployment: Deployment) -> None:
    print(f"target:   {deployment.target}")
    print(f"base URL: {deployment.base_url}")
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
    parser.add_argument("command", choices=["up", "destroy", "env"])
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
    parser.add_argument("--delete-data", action="store_true", help="destroy a stage other than local")
    return parser.parse_args()


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
