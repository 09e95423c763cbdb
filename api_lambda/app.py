"""The API Lambda's entry point: `app.app` is the handler."""

import os

from chalicelib.application import build_app
from chalicelib.services import Services

app = build_app("jobpipe-api", Services.from_environment)

# In Lambda the clients are made during INIT; `chalice package` imports this file too and has no settings.
if "AWS_CHALICE_CLI_MODE" not in os.environ:
    Services.from_environment()
