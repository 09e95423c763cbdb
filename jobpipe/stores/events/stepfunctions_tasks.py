"""The tasks of Step Functions that wait for jobs."""

from __future__ import annotations

from botocore.exceptions import ClientError

from jobpipe.domain.errors import AnswerRefused, TaskEnded
from jobpipe.domain.events.task_answer import TaskFailure, TaskSuccess
from jobpipe.runtime.aws import AwsClients, aws_call, error_code, is_outage

_SERVICE = "Step Functions"
_TASK_ENDED = {"InvalidToken", "TaskDoesNotExist", "TaskTimedOut"}
# Other access errors are about the stage's own credentials. These are about a state machine, and permanent.
_DENIED = {"AccessDenied", "AccessDeniedException", "KmsAccessDeniedException", "KmsInvalidStateException"}
_SERVER_ERROR = 500


class StepFunctionsTasks:
    """An implementation of Tasks on Step Functions."""

    def __init__(self, clients: AwsClients) -> None:
        self._clients = clients

    def answer(self, token: str, answer: TaskSuccess | TaskFailure) -> None:
        """Answer the task that has the token.

        Raise TaskEnded if the task has ended, or AnswerRefused if Step Functions would refuse this answer at
        every attempt.
        """
        with aws_call(_SERVICE):
            try:
                if isinstance(answer, TaskSuccess):
                    self._clients.stepfunctions.send_task_success(taskToken=token, output=answer.output)
                else:
                    self._clients.stepfunctions.send_task_failure(
                        taskToken=token, error=answer.error, cause=answer.cause
                    )
            except ClientError as error:
                code = error_code(error)
                if code in _TASK_ENDED:
                    raise TaskEnded(code) from None  # botocore's text may have the token
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                if code in _DENIED or (status < _SERVER_ERROR and not is_outage(code)):
                    message = str(error.response.get("Error", {}).get("Message", "")).replace(token, "…")
                    raise AnswerRefused(f"{code} of {error.operation_name}: {message}") from None
                raise
