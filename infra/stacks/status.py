"""What the status of a stack, and CloudFormation's words, mean for a deployment."""

from infra.errors import OperatorError

UNUSABLE = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS", "DELETE_FAILED"}
NEVER_CAME_TO_BE = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}  # so that it never held anybody's data
NOT_IMPORTED = {"IMPORT_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_FAILED"}
_NOTHING_TO_DO = ("didn't contain changes", "no updates are to be performed", "no changes")


def refuse_busy(name: str, status: str) -> None:
    """Raises if the stack cannot be changed now."""
    if status == "UPDATE_ROLLBACK_FAILED":
        raise OperatorError(
            f"{name} is stuck: run `aws cloudformation continue-update-rollback --stack-name {name}`"
        )
    if status.endswith("IN_PROGRESS"):
        raise OperatorError(f"{name} is being changed by someone else ({status}); try again when that is done")


def is_settled(status: str) -> bool:
    """Whether it will stay as it is."""
    return not status.endswith("IN_PROGRESS")


def says_nothing_to_do(reason: str) -> bool:
    """Whether this is why a change set failed."""
    return any(words in reason.lower() for words in _NOTHING_TO_DO)
