"""`python -m infra.pause pause|resume --stage prod`: the worker takes no more commands, or takes them again.

Meanwhile the API works as before, and accepted commands wait in the queue.
"""

import argparse
import sys

from infra.cli.command_line import OneLineParser, run
from infra.errors import OperatorError
from infra.settings import check_stage, read_settings
from infra.stage.pause import StagePause
from infra.stage.stage_file import Deployment, read_deployment
from infra.targets.target import target_of
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.limits import QUEUE_RETENTION


def main() -> int:
    """Run one command, and return its exit status."""
    arguments = _parse()
    return run(arguments.command, lambda: _command(arguments))


def _command(arguments: argparse.Namespace) -> None:
    settings = read_settings()
    deployment = read_deployment(settings.state_dir, check_stage(arguments.stage or settings.stage))
    pause = _pause_of(deployment)
    (_pause if arguments.command == "pause" else _resume)(deployment.stage, pause)


def _pause(stage: str, pause: StagePause) -> None:
    already = pause.paused_at() is not None
    at = pause.pause()
    print(
        f"{stage} is {'already ' if already else ''}paused, since {rfc3339(at)}: its worker takes no commands;"
        " requests are answered, and accepted commands wait on the queue"
    )
    print(
        f"SQS deletes a command {QUEUE_RETENTION.days} days after it was accepted: resume the stage before"
        f" {rfc3339(at + QUEUE_RETENTION)}, earlier if commands waited already (make resume STAGE={stage})"
    )


def _resume(stage: str, pause: StagePause) -> None:
    at = pause.resume()
    if at is None:
        print(f"{stage} was not paused: its worker takes commands")
    else:
        print(f"{stage} is resumed: its worker takes commands again; it was paused since {rfc3339(at)}")


def _pause_of(deployment: Deployment) -> StagePause:
    target = target_of(deployment)
    try:
        table = deployment.resources["collections_table"]
        function = deployment.resources["worker_function"]
        queue = deployment.resources["commands_queue_url"].rpartition("/")[2]
    except KeyError as missing:
        raise OperatorError(
            f"the stage {deployment.stage!r} was deployed without {missing.args[0]}: deploy it again"
        ) from None
    return StagePause(target.client("dynamodb"), target.client("lambda"), table, function, queue)


def _parse() -> argparse.Namespace:
    parser = OneLineParser(prog="python -m infra.pause", description="Pauses and resumes the worker of a stage.")
    parser.add_argument("command", choices=["pause", "resume"])
    parser.add_argument("--stage", help="JOBPIPE_STAGE, else local")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
