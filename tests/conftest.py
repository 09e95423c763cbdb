"""What all tiers share."""

from __future__ import annotations

import os

from hypothesis import settings

# Powertools reads these when jobpipe.telemetry is imported.
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "jobpipe-tests")

# No deadline: how long an example takes says more of the machine than of the code. In CI the examples are fixed.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
