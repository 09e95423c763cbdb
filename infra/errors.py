"""The error that every command reports to its operator."""


class OperatorError(Exception):
    """An error that an operator can correct. Its message is one line; commands print it and exit with status 1."""
