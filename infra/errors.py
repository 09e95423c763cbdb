"""What an operator can put right."""


class OperatorError(Exception):
    """One clear line for whoever ran the command; the programs print it and exit 1."""
