"""The API Lambda's entry point: `app.app` is the handler."""

import gc
import os

# INIT makes ninety thousand objects that stay. Collecting among them again and again would be a fifth of a cold
# start, and the first request would pay for one collection of them all.
gc.disable()

from chalicelib.application import build_app  # noqa: E402
from chalicelib.services import open_services  # noqa: E402

app = build_app("jobpipe-api", open_services)

# In Lambda the clients are made during INIT; `chalice package` imports this file too and has no settings.
if "AWS_CHALICE_CLI_MODE" not in os.environ:
    open_services()
    gc.freeze()
gc.enable()
