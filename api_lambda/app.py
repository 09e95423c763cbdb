"""The API Lambda's entry point: `app.app` is the handler."""

import os

from chalicelib.application import build_app
from chalicelib.services import open_services

app = build_app("jobpipe-api", open_services)

# In Lambda the clients are made during INIT; `chalice package` imports this file too and has no settings.
if "AWS_CHALICE_CLI_MODE" not in os.environ:
    open_services()
