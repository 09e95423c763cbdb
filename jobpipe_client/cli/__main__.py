"""`python -m jobpipe_client.cli`."""

from jobpipe_client.cli import entry

entry()
