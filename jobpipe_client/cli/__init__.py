"""The command line `jobpipe`: the client for a person at a terminal, and for scripts."""

from jobpipe_client.cli.app import main

__all__ = ["main"]
