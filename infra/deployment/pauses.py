"""Keeps a paused stage paused during a deployment, and tells the operator."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from infra.cli.aws_errors import is_denied
from infra.cli.progress import Progress
from infra.stacks.stage_stacks import Values
from infra.stage.pause import StagePause, read_paused_at
from infra.targets.target import Target
from jobpipe.domain.clock import rfc3339

PARAMETER = "Paused"


@dataclass(frozen=True)
class RecordedPause:
    """The pause that `make pause` has recorded. CloudFormation does not know about it."""

    target: Target
    progress: Progress

    def parameter(self, outputs: Values) -> Values:
        """Return the worker's parameter for the recorded state, or no parameter if that state cannot be read."""
        table = outputs.get("CollectionsTable")
        if not table:
            return {PARAMETER: "false"}
        try:
            at = read_paused_at(self.target.client("dynamodb"), table)
        except ClientError as error:
            if not is_denied(error):
                raise
            self.progress.say("these credentials may not read whether the stage is paused: this is not changed")
            return {}
        if at is not None:
            self.progress.say(f"the stage has been paused since {rfc3339(at)}, and stays paused until make resume")
        return {PARAMETER: "false" if at is None else "true"}

    def apply(self, outputs: Values, given: Values) -> None:
        """Bring the event source mapping into the state that is recorded now, if the stage is or was paused."""
        if PARAMETER not in given:
            return
        at = read_paused_at(self.target.client("dynamodb"), outputs["CollectionsTable"])
        if at is not None or given[PARAMETER] == "true":
            pause = StagePause(
                self.target.client("dynamodb"),
                self.target.client("lambda"),
                outputs["CollectionsTable"],
                outputs["WorkerFunction"],
                outputs["CommandsQueueUrl"].rpartition("/")[2],
            )
            pause.enable(enabled=at is None)
