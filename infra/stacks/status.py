"""What a stack's status and CloudFormation's messages mean for a deployment."""

from infra.errors import OperatorError

UNUSABLE = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS", "DELETE_FAILED"}
CREATION_FAILED = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}  # so the stack never held data
IMPORT_FAILED = {"IMPORT_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_FAILED"}
_NO_CHANGES = ("didn't contain changes", "no updates are to be performed", "no changes")


def refuse_busy(name: str, status: str) -> None:
    """Raise OperatorError if the stack cannot be changed now."""
    if status == "UPDATE_ROLLBACK_FAILED":
        raise OperatorError(
            f"{name} is stuck: run `aws cloudformation continue-update-rollback --stack-name {name}`"
        )
    if status.endswith("IN_PROGRESS"):
        raise OperatorError(f"{name} is being changed by someone else ({status}); try again when that is done")


def is_final(status: str) -> bool:
    """Whether the status will not change by itself."""
    return not status.endswith("IN_PROGRESS")


def means_no_changes(reason: str) -> bool:
    """Whether a change set failed only because there is nothing to change."""
    return any(words in reason.lower() for words in _NO_CHANGES)
