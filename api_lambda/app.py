"""The API Lambda's entry point: `app.app` is the handler."""

import gc
import os

# INIT creates ninety thousand lasting objects. Garbage collection among them would take a fifth of a cold start,
# and the first request would pay for a full one.
gc.disable()

from chalicelib.application import build_app  # noqa: E402
from chalicelib.services import open_services  # noqa: E402

app = build_app("jobpipe-api", open_services)

# In Lambda, INIT creates the clients. `chalice package` imports this file too, but has no settings.
if "AWS_CHALICE_CLI_MODE" not in os.environ:
    open_services()
    gc.freeze()
gc.enable()
