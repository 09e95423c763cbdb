"""Text of unknown origin, safe to print on a terminal: the command line's own."""

from jobpipe_client.cli.output.escaping import cell, escaped

__all__ = ["cell", "escaped"]
