"""The API Lambda's entry point: `app.app` is the handler."""

import gc
import os

# The imports create ninety thousand objects that are never freed. Collecting garbage among them again and again
# would take a fifth of a cold start, and the first request would wait for another collection.
gc.disable()

from chalicelib.application import build_app  # noqa: E402
from chalicelib.services import open_services  # noqa: E402

from jobpipe.runtime.collections import packaged_registry  # noqa: E402

app = build_app("jobpipe-api", open_services, packaged_registry())

# In Lambda the clients are created at the start. `chalice package` imports this file too, and has no settings.
if "AWS_CHALICE_CLI_MODE" not in os.environ:
    open_services()
    gc.freeze()
gc.enable()
